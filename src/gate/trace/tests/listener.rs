//! A subscriber that writes down what it is told, on one thread.

use core::fmt::{Debug, Write as _};
use std::{
    format,
    string::{String, ToString as _},
    sync::{Arc, Mutex, OnceLock, PoisonError},
    vec::Vec,
};

use tracing::{
    Dispatch, Event, Level, Metadata, Subscriber,
    field::{Field, Visit},
    span,
    subscriber::{Interest, with_default},
};

/// Each event as `LEVEL target: message field=value ..`.
#[derive(Clone)]
pub(super) struct Listener {
    most: Level,
    lines: Arc<Mutex<Vec<String>>>,
    /// Panics when it is told this.
    breaks_on: Option<&'static str>,
    /// What else it does when it is told something.
    also: Option<Arc<dyn Fn() + Send + Sync>>,
}

impl Listener {
    pub(super) fn up_to(most: Level) -> Self {
        Self { most, lines: Arc::default(), breaks_on: None, also: None }
    }

    pub(super) fn breaks_on(self, message: &'static str) -> Self {
        Self { breaks_on: Some(message), ..self }
    }

    pub(super) fn also(self, what: impl Fn() + Send + Sync + 'static) -> Self {
        Self { also: Some(Arc::new(what)), ..self }
    }

    /// Listens to what is done, on this thread.
    pub(super) fn hears<T>(&self, what: impl FnOnce() -> T) -> T {
        // While there is one subscriber alone, what another thread meets for the first time is taken for something that
        // nobody wants: so there is always another one.
        static OTHER: OnceLock<Dispatch> = OnceLock::new();
        OTHER.get_or_init(|| Dispatch::new(Self::up_to(Level::TRACE)));
        with_default(self.clone(), what)
    }

    /// What it was told since this was asked before.
    pub(super) fn take(&self) -> Vec<String> {
        core::mem::take(&mut *self.lines.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// What a subscriber to everything is told of what is done.
pub(super) fn heard(what: impl FnOnce()) -> Vec<String> {
    let listener = Listener::up_to(Level::TRACE);
    listener.hears(what);
    listener.take()
}

impl Subscriber for Listener {
    /// Other tests listen on other threads.
    fn register_callsite(&self, _: &'static Metadata<'static>) -> Interest {
        Interest::sometimes()
    }

    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        *metadata.level() <= self.most && metadata.target().starts_with("portcullis")
    }

    fn event(&self, event: &Event<'_>) {
        let mut line = Line::default();
        event.record(&mut line);
        let Line { message, fields } = line;
        let metadata = event.metadata();
        let text = format!("{} {}: {message}{fields}", metadata.level(), metadata.target());
        self.lines.lock().unwrap_or_else(PoisonError::into_inner).push(text);
        assert!(self.breaks_on != Some(&*message), "it was to break");
        if let Some(also) = &self.also {
            also();
        }
    }

    fn new_span(&self, _: &span::Attributes<'_>) -> span::Id {
        panic!("there are no spans");
    }

    fn record(&self, _: &span::Id, _: &span::Record<'_>) {}
    fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}
    fn enter(&self, _: &span::Id) {}
    fn exit(&self, _: &span::Id) {}
}

#[derive(Default)]
struct Line {
    message: String,
    fields: String,
}

impl Visit for Line {
    fn record_str(&mut self, field: &Field, value: &str) {
        write!(self.fields, " {}={value}", field.name()).unwrap();
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        assert!(value.is_finite(), "{field} is {value}");
        write!(self.fields, " {}={value:.2}", field.name()).unwrap();
    }

    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        let value = format!("{value:?}");
        match field.name() {
            "message" => self.message = value.to_string(),
            name => write!(self.fields, " {name}={value}").unwrap(),
        }
    }
}
