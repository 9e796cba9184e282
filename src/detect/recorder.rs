//! Keeps what is told: events until somebody reads them, and the incident that they belong to.
//!
//! An incident begins when the posture leaves normal and ends when it is normal again; what is noted and
//! counted meanwhile belongs to it. The last one is kept until the next one begins.
//!
//! # Invariants
//! - **I1** there are at most [`MOST`] events; a further one takes the place of the oldest, which is
//!   counted. The last [`LAST`] are kept besides for those who only look;
//! - **I2** there is one incident at most, and its memory is bounded; see [`Incident`].
//!
//! # Bounds
//! A note is a sentence; a tick compares each mitigation that has matched with the attackers that are known:
//! 64 times 64 short names at most.

use alloc::{collections::VecDeque, string::String, vec::Vec};
use core::time::Duration;

use super::{
    Culprit, Event, EventKind, Evidence, Posture,
    incident::{Incident, Totals},
    sentence::sentence,
};
use crate::time::Timestamp;

/// Events that nobody has read yet.
pub(crate) const MOST: usize = 256;
/// Events that are kept for those who only look.
pub(crate) const LAST: usize = 32;

/// What is told of one gate.
#[derive(Debug)]
pub(crate) struct Recorder {
    events: VecDeque<Event>,
    /// The last ones, read or not.
    last: VecDeque<Event>,
    dropped: u64,
    /// How many there were.
    #[cfg(feature = "tracing")]
    noted: u64,
    incident: Option<Incident>,
}

impl Recorder {
    pub(crate) fn new() -> Self {
        Self {
            events: VecDeque::with_capacity(MOST),
            last: VecDeque::with_capacity(LAST),
            dropped: 0,
            #[cfg(feature = "tracing")]
            noted: 0,
            incident: None,
        }
    }

    /// Something has happened.
    pub(crate) fn note(
        &mut self,
        kind: EventKind,
        evidence: &Evidence,
        culprit: Option<&Culprit>,
        now: Timestamp,
    ) {
        let text = sentence(&kind, evidence, culprit);
        self.note_in_words(kind, text, evidence, now);
    }

    /// The same, told in other words than usual.
    pub(crate) fn note_in_words(
        &mut self,
        kind: EventKind,
        text: String,
        evidence: &Evidence,
        now: Timestamp,
    ) {
        let event = Event { at: now, kind, text, evidence: *evidence };
        match &mut self.incident {
            Some(incident) if !incident.is_over() => incident.note(&event),
            _ if opens(&event.kind) => self.incident = Some(Incident::open(&event)),
            _ => {}
        }
        if self.last.len() >= LAST {
            self.last.pop_front();
        }
        self.last.push_back(event.clone());
        #[cfg(feature = "tracing")]
        {
            self.noted = self.noted.saturating_add(1);
        }
        // I1.
        if self.events.len() >= MOST {
            self.events.pop_front();
            self.dropped = self.dropped.saturating_add(1);
        }
        self.events.push_back(event);
    }

    /// A tick is over, in which so much was counted.
    pub(crate) fn tick(&mut self, totals: &Totals<'_>, evidence: &Evidence, now: Timestamp) {
        if let Some(incident) = self.incident.as_mut().filter(|incident| !incident.is_over()) {
            incident.tick(totals, evidence, now);
        }
    }

    /// The clock was set back by so much.
    pub(crate) fn set_back(&mut self, by: Duration) {
        if let Some(incident) = self.incident.as_mut().filter(|incident| !incident.is_over()) {
            incident.set_back(by);
        }
    }

    /// All events since they were last drained, oldest first.
    pub(crate) fn drain(&mut self) -> Vec<Event> {
        self.events.drain(..).collect()
    }

    /// The last events, oldest first, whether they were drained or not.
    pub(crate) fn recent(&self) -> Vec<Event> {
        self.last.iter().cloned().collect()
    }

    /// How many events there were, so far.
    #[cfg(feature = "tracing")]
    pub(crate) fn noted(&self) -> u64 {
        self.noted
    }

    /// Those that came after the first so many, as far as they are kept.
    #[cfg(feature = "tracing")]
    pub(crate) fn noted_since(&self, told: u64) -> Vec<Event> {
        let since = usize::try_from(self.noted.saturating_sub(told)).unwrap_or(usize::MAX);
        let kept = self.last.len().saturating_sub(since);
        self.last.iter().skip(kept).cloned().collect()
    }

    /// Events that nobody has read in time, so far.
    pub(crate) fn dropped(&self) -> u64 {
        self.dropped
    }

    /// The incident that goes on, or the last one.
    pub(crate) fn incident(&self) -> Option<&Incident> {
        self.incident.as_ref()
    }
}

fn opens(kind: &EventKind) -> bool {
    matches!(kind, EventKind::Posture { from: Posture::Normal, to } if *to > Posture::Normal)
}

#[cfg(test)]
mod tests {
    use std::{format, string::ToString as _};

    use super::{MOST, Recorder};
    use crate::{
        Timestamp,
        detect::{EventKind, Evidence, Posture, incident::Totals},
    };

    fn at(seconds: u64) -> Timestamp {
        Timestamp::from_secs(seconds)
    }

    fn posture(from: Posture, to: Posture) -> EventKind {
        EventKind::Posture { from, to }
    }

    #[test]
    fn what_is_noted_is_drained_once_in_its_order() {
        let mut recorder = Recorder::new();
        let evidence = Evidence { offered: 10.0, usual: 5.0, ..Evidence::default() };
        recorder.note(posture(Posture::Normal, Posture::Elevated), &evidence, None, at(3));
        recorder.note(EventKind::Readmitted, &evidence, None, at(4));
        let events = recorder.drain();
        assert_eq!(
            events.iter().map(|event| event.at).collect::<std::vec::Vec<_>>(),
            [at(3), at(4)]
        );
        assert_eq!(events[0].kind, posture(Posture::Normal, Posture::Elevated));
        assert!(events[0].text.starts_with("Unusual traffic: 2.0x usual volume"), "{events:?}");
        assert_eq!(events[1].evidence, evidence);
        assert!(recorder.drain().is_empty());
    }

    /// I1.
    #[test]
    fn the_oldest_is_dropped_and_counted() {
        let mut recorder = Recorder::new();
        for number in 0..MOST + 3 {
            let what = format!("{number}");
            recorder.note(EventKind::Told { what }, &Evidence::default(), None, at(0));
        }
        assert_eq!(recorder.dropped(), 3);
        let events = recorder.drain();
        assert_eq!(events.len(), MOST);
        assert_eq!(events[0].kind, EventKind::Told { what: "3".to_string() });
        assert_eq!(recorder.events.capacity(), MOST);
    }

    /// I2.
    #[test]
    fn an_incident_lasts_from_normal_to_normal() {
        use Posture::{Defend, Elevated, Normal};
        let mut recorder = Recorder::new();
        let evidence = Evidence::default();
        let totals = Totals { offered: 100, ..Totals::default() };
        recorder.tick(&totals, &evidence, at(1));
        recorder.note(EventKind::Readmitted, &evidence, None, at(1));
        assert_eq!(recorder.incident(), None);

        recorder.note(posture(Normal, Elevated), &evidence, None, at(2));
        recorder.tick(&totals, &evidence, at(3));
        recorder.note(posture(Elevated, Defend), &evidence, None, at(3));
        let open = recorder.incident().unwrap();
        assert_eq!((open.is_over(), open.posture(), open.harm().offered), (false, Defend, 100));

        recorder.note(posture(Defend, Normal), &evidence, None, at(9));
        recorder.tick(&totals, &evidence, at(10));
        recorder.note(EventKind::Readmitted, &evidence, None, at(10));
        let over = recorder.incident().unwrap();
        assert_eq!((over.is_over(), over.duration().as_secs()), (true, 7));
        assert_eq!((over.harm().offered, over.timeline().len()), (100, 3));

        recorder.note(posture(Normal, Defend), &evidence, None, at(50));
        let next = recorder.incident().unwrap();
        assert_eq!((next.is_over(), next.started(), next.timeline().len()), (false, at(50), 1));
    }
}
