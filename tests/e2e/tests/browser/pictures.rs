//! What the page looks like: pictures for people, and whether its texts can be read.

use std::{env, fs, path::PathBuf};

use super::page::Page;

/// Looks at the page in both schemes, on a wide and on a narrow screen.
#[track_caller]
pub(crate) fn look(page: &mut Page, name: &str) {
    // By a script: it may go away by itself at any moment, and then there is nothing to be clicked.
    page.ask("one('#result').click()");
    page.until("text('#result') === ''");
    for (scheme, width) in [("light", 1_280), ("dark", 1_280), ("light", 400), ("dark", 380)] {
        page.colours(scheme);
        page.size(width, 900);
        // The chart is drawn anew for each width.
        page.until(&format!(
            "innerWidth === {width} && one('#chart line.grid').x2.baseVal.value < {width}"
        ));
        write(page, &format!("{name}-{scheme}-{width}.png"));
        let wide = page.ask("document.documentElement.scrollWidth");
        assert!(wide.as_u64() <= Some(width.into()), "{wide} of {width} pixels");
        let faint = page.ask(FAINT);
        assert_eq!(faint, serde_json::json!([]), "{scheme}: text that is hard to read");
    }
    page.colours("light");
    page.size(1_280, 900);
}

fn write(page: &mut Page, name: &str) {
    let Some(folder) = env::var_os("PORTCULLIS_SCREENSHOTS").map(PathBuf::from) else { return };
    fs::create_dir_all(&folder)
        .and_then(|()| fs::write(folder.join(name), page.picture()))
        .unwrap();
}

/// Texts with a contrast below 4.5 to what is behind them, as WCAG 2 computes it. Drawn areas are below 3.
const FAINT: &str = r"(() => {
    const channels = colour => colour.startsWith('#')
        ? [1, 3, 5].map(at => parseInt(colour.slice(at, at + 2), 16)).concat(1)
        : colour.match(/[\d.]+/g).map(Number).concat(1).slice(0, 4);
    const linear = value => value / 255 <= 0.04045 ? value / 255 / 12.92 : ((value / 255 + 0.055) / 1.055) ** 2.4;
    const light = ([r, g, b]) => 0.2126 * linear(r) + 0.7152 * linear(g) + 0.0722 * linear(b);
    const contrast = (one, other) => {
        const [dark, bright] = [light(channels(one)), light(channels(other))].sort((a, b) => a - b);
        return (bright + 0.05) / (dark + 0.05);
    };
    const behind = node => {
        for (let at = node; at; at = at.parentElement) {
            const colour = getComputedStyle(at).backgroundColor;
            if (channels(colour)[3] === 1) return colour;
            if (channels(colour)[3] > 0) throw new Error('half transparent: ' + colour);
        }
        return 'rgb(255, 255, 255)';
    };
    const faint = [];
    const judge = (node, front, back, least) => {
        const found = contrast(front, back);
        if (!(found >= least)) faint.push(`${node.tagName} ${node.getAttribute('class')} ${front} on ${back}: ${found}`);
    };
    for (const node of document.querySelectorAll('body *')) {
        const style = getComputedStyle(node), fill = style.getPropertyValue('--fill').trim();
        const hasText = [...node.childNodes].some(child => child.nodeType === 3 && child.data.trim() !== '');
        if (!node.checkVisibility() || node.tagName === 'SCRIPT' || node.tagName === 'title') continue;
        if (node.classList.contains('segment-name')) judge(node, style.fill, fill, 4.5);
        else if (node.tagName === 'text') judge(node, style.fill, behind(node.closest('section')), 4.5);
        else if (/^area-/.test(node.getAttribute('class'))) judge(node, style.fill, behind(node.closest('section')), 3);
        else if (hasText || node.tagName === 'INPUT') judge(node, style.color, behind(node), 4.5);
    }
    return faint;
})()";
