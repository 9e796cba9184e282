//! The status page in a tab, used as a person uses it: looked at, clicked, typed into. What goes wrong meanwhile is kept.

use std::net::SocketAddr;

use serde_json::{Value, json};

use super::chromium::{Chromium, PATIENCE};

/// A tab.
pub(crate) struct Page {
    browser: Chromium,
    session: String,
    problems: Vec<String>,
}

impl Page {
    /// An empty tab of a browser of its own, if there is one here.
    pub(crate) fn open() -> Option<Self> {
        let mut browser = Chromium::start()?;
        let target = browser.order(None, "Target.createTarget", json!({ "url": "about:blank" }));
        let attach = json!({ "targetId": target["targetId"], "flatten": true });
        let attached = browser.order(None, "Target.attachToTarget", attach);
        let session = attached["sessionId"].as_str().expect("a session").to_owned();
        let mut page = Self { browser, session, problems: Vec::new() };
        for domain in ["Page", "Runtime", "Log", "Network", "DOM"] {
            page.order(&format!("{domain}.enable"), json!({}));
        }
        page.size(1280, 900);
        Some(page)
    }

    #[track_caller]
    pub(crate) fn order(&mut self, method: &str, parameters: Value) -> Value {
        self.browser.order(Some(&self.session), method, parameters)
    }

    pub(crate) fn size(&mut self, width: u32, height: u32) {
        let size =
            json!({ "width": width, "height": height, "deviceScaleFactor": 1, "mobile": false });
        self.order("Emulation.setDeviceMetricsOverride", size);
    }

    pub(crate) fn colours(&mut self, scheme: &str) {
        let feature = json!({ "name": "prefers-color-scheme", "value": scheme });
        self.order("Emulation.setEmulatedMedia", json!({ "features": [feature] }));
    }

    /// Goes to the page of this service, and waits until it shows something.
    #[track_caller]
    pub(crate) fn visit(&mut self, service: SocketAddr, path: &str) {
        let url = format!("http://{service}{path}");
        let gone = self.order("Page.navigate", json!({ "url": url }));
        assert!(gone["errorText"].is_null(), "{url}: {gone}");
        self.until(&format!("location.href === '{url}' && text('#link') === 'live'"));
    }

    /// The value of an expression in the page. There are `one` (an element), `all` of them, and the `text` of one.
    #[track_caller]
    pub(crate) fn ask(&mut self, expression: &str) -> Value {
        self.evaluate(&format!("(() => {{ {HELPERS} return {expression}; }})()"))
    }

    #[track_caller]
    pub(crate) fn text(&mut self, selector: &str) -> String {
        let text = self.ask(&format!("text({})", json!(selector)));
        text.as_str().unwrap_or_else(|| panic!("there is no {selector}")).to_owned()
    }

    /// Waits until an expression holds in the page, and gives its value. It is looked at whenever the page changes.
    #[track_caller]
    pub(crate) fn until(&mut self, expression: &str) -> Value {
        let patience = PATIENCE.as_millis();
        let value = self.evaluate(&format!(
            "new Promise(done => {{
                {HELPERS}
                const look = () => {{
                    let value;
                    try {{ value = {expression}; }} catch (problem) {{ value = null; }}
                    if (value) end(value);
                }};
                const watcher = new MutationObserver(look);
                const timer = setTimeout(() => end(null), {patience});
                const end = value => {{ watcher.disconnect(); clearTimeout(timer); done(value); }};
                watcher.observe(document, {{ subtree: true, childList: true, characterData: true, attributes: true }});
                look();
            }})"
        ));
        if value.is_null() {
            let shown = self.ask("document.body.innerText");
            let problems = self.problems();
            panic!(
                "{expression} has not come; problems: {problems:#?}; {}",
                shown.as_str().unwrap_or("")
            );
        }
        value
    }

    #[track_caller]
    fn evaluate(&mut self, expression: &str) -> Value {
        let order =
            json!({ "expression": expression, "returnByValue": true, "awaitPromise": true });
        let mut answer = self.order("Runtime.evaluate", order);
        assert!(
            answer["exceptionDetails"].is_null(),
            "{expression}: {}",
            answer["exceptionDetails"]
        );
        answer["result"]["value"].take()
    }

    /// Clicks with the mouse in the middle of what a selector names, which must be there to be clicked.
    ///
    /// Tables move once a second, maybe just before the click: what it then hits does not get it, and it is tried again.
    #[track_caller]
    pub(crate) fn click(&mut self, selector: &str) {
        let name = json!(selector);
        for _ in 0..10 {
            // Looked for again where it is covered or moves, which ends.
            let place = self.until(&format!(
                "(() => {{
                    const node = one({name});
                    node.scrollIntoView({{ block: 'center', behavior: 'instant' }});
                    const box = node.getBoundingClientRect();
                    const x = box.left + box.width / 2, y = box.top + box.height / 2;
                    if (!node.contains(document.elementFromPoint(x, y))) return null;
                    window.aim?.stop();
                    const aim = window.aim = {{ isHit: false }};
                    const see = event => {{
                        aim.isHit = node.contains(event.target);
                        if (!aim.isHit) {{ event.preventDefault(); event.stopImmediatePropagation(); }}
                    }};
                    aim.stop = () => window.removeEventListener('click', see, true);
                    window.addEventListener('click', see, true);
                    return {{ x, y }};
                }})()"
            ));
            for kind in ["mouseMoved", "mousePressed", "mouseReleased"] {
                let mouse = json!({ "type": kind, "x": place["x"], "y": place["y"], "button": "left", "clickCount": 1 });
                self.order("Input.dispatchMouseEvent", mouse);
            }
            if self.ask("(aim.stop(), aim.isHit)") == true {
                return;
            }
        }
        panic!("{selector} moves away from each click");
    }

    /// Clicks into a field and types, in place of what is there.
    #[track_caller]
    pub(crate) fn write(&mut self, selector: &str, words: &str) {
        self.click(selector);
        self.ask(&format!("one({}).select()", json!(selector)));
        self.order("Input.insertText", json!({ "text": words }));
    }

    /// Chooses from a list, which opens outside of the page.
    #[track_caller]
    pub(crate) fn choose(&mut self, selector: &str, value: &str) {
        let (selector, value) = (json!(selector), json!(value));
        let chosen =
            self.ask(&format!("(one({selector}).value = {value}) && one({selector}).value"));
        assert_eq!(chosen, value, "{selector}");
    }

    #[track_caller]
    pub(crate) fn press(&mut self, key: &str, code: u32) {
        for kind in ["keyDown", "keyUp"] {
            let mut key =
                json!({ "type": kind, "key": key, "code": key, "windowsVirtualKeyCode": code });
            if code == 13 {
                // Else it is no key that sends a form.
                key["text"] = "\r".into();
            }
            self.order("Input.dispatchKeyEvent", key);
        }
    }

    pub(crate) fn picture(&mut self) -> Vec<u8> {
        let picture =
            self.order("Page.captureScreenshot", json!({ "captureBeyondViewport": true }));
        base64(picture["data"].as_str().expect("a picture"))
    }

    /// What has gone wrong since this was asked before: exceptions, messages, refused and broken requests, whatever the
    /// policy has stopped, and alerts.
    pub(crate) fn problems(&mut self) -> Vec<String> {
        let events = self.browser.events();
        self.problems.extend(events.iter().filter_map(problem));
        std::mem::take(&mut self.problems)
    }

    /// Whether a problem is that something was refused: the answer itself, or the browser's complaint about it.
    pub(crate) fn is_refusal(problem: &str) -> bool {
        problem.contains(r#""status":403,"#) || problem.contains("status of 403 ")
    }

    #[track_caller]
    pub(crate) fn has_no_problems(&mut self) {
        let problems = self.problems();
        assert!(problems.is_empty(), "{problems:#?}");
        // What hostile texts would do.
        assert_eq!(self.ask("typeof window.hacked"), "undefined");
        assert_eq!(self.ask("document.scripts.length"), 1);
        assert_eq!(self.ask("all('img, iframe, object').length"), 0);
    }
}

const HELPERS: &str = "
    const one = selector => document.querySelector(selector);
    const all = selector => [...document.querySelectorAll(selector)];
    const text = selector => one(selector)?.textContent;";

fn problem(event: &Value) -> Option<String> {
    let parameters = &event["params"];
    let is_bad = match event["method"].as_str()? {
        "Runtime.exceptionThrown" | "Page.javascriptDialogOpening" => true,
        "Runtime.consoleAPICalled" => {
            matches!(parameters["type"].as_str(), Some("error" | "warning" | "assert"))
        }
        "Log.entryAdded" => {
            matches!(parameters["entry"]["level"].as_str(), Some("error" | "warning"))
        }
        // A stream is cancelled when the page is left.
        "Network.loadingFailed" => parameters["canceled"] != true,
        "Network.responseReceived" => parameters["response"]["status"].as_u64() >= Some(400),
        _ => false,
    };
    is_bad.then(|| event.to_string())
}

/// The bytes of a text that a browser has written.
fn base64(text: &str) -> Vec<u8> {
    let value = |letter: u8| {
        let letters = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
        letters.iter().position(|known| *known == letter).map(|place| place as u32)
    };
    let sixes: Vec<u32> = text.bytes().filter_map(value).collect();
    let bytes = sixes.chunks(4).flat_map(|four| {
        let joined = four.iter().fold(0, |joined, six| joined << 6 | six) << (6 * (4 - four.len()));
        [joined >> 16, joined >> 8, joined]
            .into_iter()
            .map(|byte| byte as u8)
            .take(four.len() * 3 / 4)
    });
    bytes.collect()
}
