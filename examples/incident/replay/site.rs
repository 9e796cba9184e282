//! What there is to ask for, and what clients call themselves.

use std::sync::Arc;

use super::random::{Random, Zipf};

/// A shop of a few hundred pages. Some are asked for much more often than others.
#[derive(Clone, Debug)]
pub(crate) struct Site {
    pages: Vec<Arc<str>>,
    page: Zipf,
    assets: Vec<Arc<str>>,
    asset: Zipf,
    searches: Vec<Arc<str>>,
    search: Zipf,
    pub(crate) cart: Arc<str>,
    pub(crate) login: Arc<str>,
    /// What a flash crowd comes for.
    pub(crate) sale: Arc<str>,
    missing: Vec<Arc<str>>,
}

const SECTIONS: [&str; 6] = ["chairs", "tables", "lamps", "shelves", "garden", "blog"];
const WORDS: [&str; 12] = [
    "oak", "lamp", "steel", "linen", "desk", "walnut", "mirror", "carpet", "clock", "bench",
    "sofa", "basket",
];

impl Site {
    pub(crate) fn new() -> Self {
        let mut pages: Vec<Arc<str>> = vec!["/".into(), "/sale/today".into(), "/about".into()];
        pages.extend((0..300).map(|page: usize| {
            Arc::from(format!("/{}/item-{page}", SECTIONS[page % SECTIONS.len()]))
        }));
        let asset = |asset: usize| {
            Arc::from(match asset % 3 {
                0 => format!("/static/css/part-{asset}.css"),
                1 => format!("/static/js/part-{asset}.js"),
                _ => format!("/images/{asset}.webp"),
            })
        };
        let searches = WORDS.iter().flat_map(|first| {
            WORDS.iter().map(move |second| Arc::from(format!("/search?q={first}+{second}")))
        });
        Self {
            page: Zipf::new(pages.len(), 0.9),
            sale: Arc::clone(&pages[1]),
            pages,
            assets: (0..120).map(asset).collect(),
            asset: Zipf::new(120, 0.8),
            searches: searches.collect(),
            search: Zipf::new(WORDS.len() * WORDS.len(), 0.7),
            cart: "/cart".into(),
            login: "/login".into(),
            missing: (0..40).map(|page| format!("/chairs/gone-{page}").into()).collect(),
        }
    }

    pub(crate) fn page(&self, random: &mut Random) -> Arc<str> {
        Arc::clone(&self.pages[self.page.draw(random)])
    }

    pub(crate) fn asset(&self, random: &mut Random) -> Arc<str> {
        Arc::clone(&self.assets[self.asset.draw(random)])
    }

    pub(crate) fn search(&self, random: &mut Random) -> Arc<str> {
        Arc::clone(&self.searches[self.search.draw(random)])
    }

    pub(crate) fn missing(&self, random: &mut Random) -> Arc<str> {
        random.pick(&self.missing)
    }
}

/// Browsers that people have; the first ones are the most frequent.
pub(crate) const BROWSERS: [&str; 10] = [
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/124.0.0.0 Safari/537.36",
    "Mozilla/5.0 (iPhone; CPU iPhone OS 17_4 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.4 Mobile/15E148 Safari/604.1",
    "Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/124.0.0.0 Mobile Safari/537.36",
    "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.4 Safari/605.1.15",
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:125.0) Gecko/20100101 Firefox/125.0",
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/124.0.0.0 Safari/537.36 Edg/124.0.0.0",
    "Mozilla/5.0 (X11; Linux x86_64; rv:125.0) Gecko/20100101 Firefox/125.0",
    "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/124.0.0.0 Safari/537.36",
    "Mozilla/5.0 (iPad; CPU OS 17_4 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.4 Mobile/15E148 Safari/604.1",
    "Mozilla/5.0 (Linux; Android 14; SM-S918B) AppleWebKit/537.36 (KHTML, like Gecko) SamsungBrowser/25.0 Chrome/121.0.0.0 Mobile Safari/537.36",
];

/// Machines that come every day and read page after page.
pub(crate) const CRAWLERS: [&str; 2] = [
    "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)",
    "Mozilla/5.0 (compatible; bingbot/2.0; +http://www.bing.com/bingbot.htm)",
];

/// What those send who do not think about it.
pub(crate) const TOOLS: [&str; 3] = [
    "python-requests/2.31.0",
    "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) HeadlessChrome/119.0.0.0 Safari/537.36",
    "Go-http-client/1.1",
];
