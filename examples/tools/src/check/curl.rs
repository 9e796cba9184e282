//! The request that curl would send for these arguments, as far as a gate can see it.
//!
//! It is what people have at hand: *copy as cURL* of a browser, a line from a bug report. Options that change
//! the request are followed as curl does, its own headers among them (`user-agent`, `accept`,
//! `content-type`); others are passed over, and it is said which. Two things differ, both on purpose: the
//! path stays as it is written (`--path-as-is`), since that is what is asked about; and no file is read.

mod options;
mod url;

use lexopt::{Arg, Parser};

use self::{
    options::{FOLLOWED, IGNORED, IGNORED_VALUES, LETTERS},
    url::{Url, base64, decoded, encoded, is_several, shown},
};
use super::{
    options::{Usage, Words, unknown},
    words,
};

/// A request, as it was understood.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Curl {
    pub(super) method: String,
    /// The authority, as it was written; empty if only a path was given.
    pub(super) host: String,
    pub(super) target: String,
    /// `None` if no scheme was written.
    pub(super) is_secure: Option<bool>,
    pub(super) version: &'static str,
    /// In their order, names in lower case.
    pub(super) headers: Vec<(String, String)>,
    /// How many bytes the body has; `None` if there is none, or nobody knows.
    pub(super) body: Option<u64>,
    /// What was passed over.
    pub(super) ignored: Vec<String>,
    /// What is not as curl does it.
    pub(super) notes: Vec<String>,
}

/// The longest that anything is; servers take less.
const LONGEST: usize = 1 << 20;

/// The request that these words describe. What is not curl's is left in `own`.
///
/// # Errors
/// When an option is not known or lacks its value, there is no URL, or a header cannot be sent.
pub(super) fn read(args: Vec<String>, own: &mut Words) -> Result<Curl, Usage> {
    let mut parts = Parts::default();
    let mut parser = Parser::from_args(unpacked(args)?);
    while let Some(arg) = parser.next()? {
        let name = match arg {
            Arg::Value(url) => {
                parts.urls.push(url.to_string_lossy().into_owned());
                continue;
            }
            Arg::Long(name) => name.to_owned(),
            Arg::Short(letter) => {
                let known = LETTERS.iter().find(|(known, _)| *known == letter);
                let Some((_, name)) = known else {
                    return Err(unknown(&format!("-{letter}"), &[]));
                };
                (*name).to_owned()
            }
        };
        let mut value = || Ok::<_, Usage>(parser.value()?.to_string_lossy().into_owned());
        match name.as_str() {
            name if Words::KNOWN.contains(&name) => own.take(name, value()?),
            name if IGNORED.contains(&name) => parts.ignored.push(format!("--{name}")),
            name if IGNORED_VALUES.contains(&name) => {
                value()?;
                parts.ignored.push(format!("--{name}"));
            }
            "url" => parts.urls.push(value()?),
            "request" => parts.method = Some(value()?),
            "header" => parts.header(&value()?)?,
            "user-agent" => parts.agent = Some(value()?),
            "referer" => parts.referer = Some(value()?),
            "cookie" => parts.cookie(value()?),
            "data" | "data-ascii" | "data-binary" | "data-raw" | "data-urlencode" => {
                parts.data(&name, value()?);
            }
            "json" => {
                parts.data("data", value()?);
                parts.is_json = true;
            }
            "form" | "form-string" => {
                value()?;
                parts.is_form = true;
            }
            "upload-file" => {
                value()?;
                parts.is_upload = true;
            }
            "head" => parts.is_head = true,
            "get" => parts.is_get = true,
            "user" => parts.authorization = Some(format!("Basic {}", base64(value()?.as_bytes()))),
            "oauth2-bearer" => parts.authorization = Some(format!("Bearer {}", value()?)),
            "range" => parts.range = Some(format!("bytes={}", value()?)),
            "http1.0" => parts.version = Some("HTTP/1.0"),
            "http1.1" => parts.version = Some("HTTP/1.1"),
            "http2" | "http2-prior-knowledge" => parts.version = Some("HTTP/2"),
            "http3" | "http3-only" => parts.version = Some("HTTP/3"),
            "compressed" => parts.is_compressed = true,
            "explain" => return Err(Usage::Wrong("--explain is there twice".to_owned())),
            "deny-warnings" | "field" | "list" | "explain-code" | "help" => {
                return Err(Usage::Wrong(format!("--{name} belongs before --explain")));
            }
            _ => {
                let known: Vec<&str> = [FOLLOWED, IGNORED, IGNORED_VALUES, Words::KNOWN].concat();
                return Err(unknown(&format!("--{name}"), &known));
            }
        }
    }
    parts.request()
}

/// The words of all arguments: one that is a whole line is split, and curl's own name is left away.
fn unpacked(args: Vec<String>) -> Result<Vec<String>, Usage> {
    let mut unpacked = Vec::new();
    for (at, arg) in args.into_iter().enumerate() {
        // Notes often have the shell's prompt.
        let line = arg.trim_start().trim_start_matches("$ ");
        if line.strip_prefix("curl").is_some_and(|rest| rest.starts_with(char::is_whitespace)) {
            let split = words::split(line);
            let split = split.map_err(|why| Usage::Wrong(format!("the line for curl: {why}")))?;
            unpacked.extend(split.into_iter().skip(1));
        } else if !(at == 0 && arg == "curl") {
            unpacked.push(arg);
        }
    }
    Ok(unpacked)
}

/// What options say, before they are put together.
#[derive(Default)]
struct Parts {
    urls: Vec<String>,
    method: Option<String>,
    headers: Vec<(String, Option<String>)>,
    agent: Option<String>,
    referer: Option<String>,
    cookies: Vec<String>,
    data: Option<String>,
    /// A part of the body lies in a file.
    is_data_unknown: bool,
    is_json: bool,
    is_form: bool,
    is_upload: bool,
    is_head: bool,
    is_get: bool,
    is_compressed: bool,
    authorization: Option<String>,
    range: Option<String>,
    version: Option<&'static str>,
    ignored: Vec<String>,
    notes: Vec<String>,
}

impl Parts {
    /// `Name: value`; `Name:` takes away what curl sends by itself, and `Name;` sends an empty one.
    fn header(&mut self, line: &str) -> Result<(), Usage> {
        // What is behind the name may be a secret, also where the colon was forgotten.
        let ends = |c: char| matches!(c, ':' | ';' | '=') || c.is_whitespace();
        let shown: String = line.split(ends).next().unwrap_or_default().chars().take(60).collect();
        let wrong = |what: &str| Usage::Wrong(format!("the header {shown:?}: {what}"));
        if line.starts_with('@') {
            return Err(wrong("no file is read; give each header by itself"));
        }
        if line.len() > LONGEST {
            return Err(wrong("it is too long to be sent"));
        }
        if line.contains(['\r', '\n', '\0']) {
            return Err(wrong(
                "it has a line break or a NUL, which no server takes: that would be another header",
            ));
        }
        // Browsers copy what HTTP/2 has instead of a first line.
        let (sign, line) = match line.strip_prefix(':') {
            Some(rest) => (":", rest),
            None => ("", line),
        };
        let (name, value) = match (line.split_once(':'), line.strip_suffix(';')) {
            (Some((name, value)), _) => {
                let value = value.trim_matches([' ', '\t']);
                (name, (!value.is_empty()).then(|| value.to_owned()))
            }
            (None, Some(name)) => (name, Some(String::new())),
            (None, None) => return Err(wrong("there is no colon in it")),
        };
        let is_token = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c);
        if name.is_empty() || !name.chars().all(is_token) {
            return Err(wrong(
                "a name is of letters, digits and signs such as `-`, without blanks",
            ));
        }
        if value.as_ref().is_some_and(|value| value.chars().any(|c| c.is_control() && c != '\t')) {
            return Err(wrong("it has a control character, which no server takes"));
        }
        match sign {
            ":" if name == "authority" => self.headers.push(("host".to_owned(), value)),
            ":" => self.ignored.push(format!("the header :{name}")),
            _ => self.headers.push((name.to_ascii_lowercase(), value)),
        }
        Ok(())
    }

    fn cookie(&mut self, text: String) {
        if text.contains('=') || text.is_empty() {
            self.cookies.push(text);
        } else {
            self.notes.push("the cookies of a file are not read".to_owned());
        }
    }

    fn data(&mut self, option: &str, text: String) {
        let is_file = match option {
            "data-raw" => false,
            "data-urlencode" => text.contains('@') && !text.contains('='),
            _ => text.starts_with('@'),
        };
        let text = match option {
            _ if is_file => {
                self.is_data_unknown = true;
                self.notes
                    .push("a body from a file is not read: how long it is is not known".to_owned());
                String::new()
            }
            "data-urlencode" => match text.split_once('=') {
                Some(("", value)) => encoded(value),
                Some((name, value)) => format!("{name}={}", encoded(value)),
                None => encoded(&text),
            },
            // curl leaves line breaks away where it does not take the body as it is; of files only.
            _ => text,
        };
        match &mut self.data {
            Some(data) if self.is_json => data.push_str(&text),
            Some(data) => {
                data.push('&');
                data.push_str(&text);
            }
            None => self.data = Some(text),
        }
    }

    /// What would be sent.
    fn request(mut self) -> Result<Curl, Usage> {
        let url = match self.urls.as_slice() {
            [] => return Err(Usage::Wrong("there is no URL to explain".to_owned())),
            [url] => Url::new(url)?,
            [first, second, ..] => {
                let [first, second] = [first, second].map(|url| shown(url));
                return Err(Usage::Wrong(format!(
                    "there are several URLs, {first:?} and {second:?}; explain them one by one"
                )));
            }
        };
        let is_glob = !self.ignored.iter().any(|it| it == "--globoff");
        if is_glob && self.urls.iter().any(|url| is_several(url)) {
            self.notes.push(
                "without -g, curl asks for each of what {a,b} and [1-3] stand for; here they are as they are written"
                    .to_owned(),
            );
        }
        let Url { is_secure, mut host, mut target, credentials } = url;
        if let (None, Some(credentials)) = (&self.authorization, credentials) {
            self.authorization = Some(format!("Basic {}", base64(&decoded(&credentials))));
        }
        let mut body = self.data.take();
        if self.is_get {
            if let Some(query) = body.take() {
                target.push(if target.contains('?') { '&' } else { '?' });
                target.push_str(&query);
            }
        }
        let has_body = body.is_some() || self.is_form;
        let method = match self.method.take() {
            Some(method) => checked_method(method)?,
            None if self.is_head => "HEAD".to_owned(),
            None if self.is_upload => "PUT".to_owned(),
            None if has_body => "POST".to_owned(),
            None => "GET".to_owned(),
        };
        let is_known = !self.is_data_unknown && !self.is_form && !self.is_upload;
        let length = body.filter(|_| is_known).map(|body| body.len() as u64);
        if let Some((_, Some(said))) = self.headers.iter().find(|(name, _)| name == "host") {
            host.clone_from(said);
        }
        let headers = self.headers_of(&host, has_body, length)?;
        // What a service sees is what the header says.
        let said = headers.iter().find(|(name, _)| name == "content-length");
        let body = said.and_then(|(_, length)| length.parse().ok());
        self.ignored.dedup();
        Ok(Curl {
            method,
            host,
            target,
            is_secure,
            version: self.version.unwrap_or("HTTP/1.1"),
            headers,
            body,
            ignored: self.ignored,
            notes: self.notes,
        })
    }

    /// curl's own headers, each unless it was given or taken away, and then those that were given.
    fn headers_of(
        &mut self,
        host: &str,
        has_body: bool,
        length: Option<u64>,
    ) -> Result<Vec<(String, String)>, Usage> {
        let content_type = match (self.is_json, self.is_form) {
            (true, _) => "application/json",
            (_, true) => "multipart/form-data; boundary=----",
            _ => "application/x-www-form-urlencoded",
        };
        let agent = self.agent.take().unwrap_or_else(|| "curl/8".to_owned());
        let cookie = (!self.cookies.is_empty()).then(|| self.cookies.join("; "));
        let accept = if self.is_json { "application/json" } else { "*/*" };
        let encodings = self.is_compressed.then(|| "deflate, gzip, br, zstd".to_owned());
        let defaults = [
            ("host", Some(host.to_owned())),
            ("authorization", self.authorization.take()),
            ("user-agent", Some(agent)),
            ("accept", Some(accept.to_owned())),
            ("accept-encoding", encodings),
            ("referer", self.referer.take()),
            ("cookie", cookie),
            ("range", self.range.take()),
            ("content-type", has_body.then(|| content_type.to_owned())),
            ("content-length", length.map(|length| length.to_string())),
        ];
        let mut headers = Vec::new();
        for (name, value) in defaults {
            let is_said = self.headers.iter().any(|(said, _)| said == name);
            let value = value.filter(|value| !value.is_empty());
            if let (false, Some(value)) = (is_said, value) {
                if value.contains(|c: char| c.is_control() && c != '\t') {
                    return Err(Usage::Wrong(format!(
                        "what becomes the header {name} has a line break or another control character, \
                         which no server takes"
                    )));
                }
                headers.push((name.to_owned(), value));
            }
        }
        let given = std::mem::take(&mut self.headers).into_iter();
        headers.extend(given.filter_map(|(name, value)| Some((name, value?))));
        Ok(headers)
    }
}

fn checked_method(method: String) -> Result<String, Usage> {
    let is_token = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c);
    if method.is_empty() || !method.chars().all(is_token) {
        return Err(Usage::Wrong(format!("{method:?} is no method: that is one word, as in POST")));
    }
    Ok(method)
}

#[cfg(test)]
mod real;
#[cfg(test)]
mod tests;
