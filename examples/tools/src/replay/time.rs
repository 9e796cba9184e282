//! When something was, as logs write it.
//!
//! | written | where |
//! |---|---|
//! | `17/May/2015:10:05:03 +0000` | common and combined logs |
//! | `2015-05-17T10:05:03.25Z`, `2015-05-17T12:05:03+02:00`, also with a blank for the `T`; without a zone it is UTC | JSON lines |
//! | seconds, milliseconds, microseconds or nanoseconds since 1970, by their size; also as a text | JSON lines |
//!
//! # Bounds
//! Times go from 1970 to 2554; what is outside of that is no time.

use jiff::civil;
use portcullis::Timestamp;

const SECOND: u64 = 1_000_000_000;
const DAY: i64 = 86_400;
const MONTHS: [&[u8; 3]; 12] = [
    b"Jan", b"Feb", b"Mar", b"Apr", b"May", b"Jun", b"Jul", b"Aug", b"Sep", b"Oct", b"Nov", b"Dec",
];

/// A time, and whether it is finer than a second.
pub(super) type Time = (Timestamp, bool);

/// The bytes of a time in a common log.
pub(super) const COMMON: usize = 26;

/// `17/May/2015:10:05:03 +0000`
pub(super) fn of_common(text: &[u8]) -> Option<Timestamp> {
    let text: &[u8; COMMON] = text.try_into().ok()?;
    for (at, mark) in [(2, b'/'), (6, b'/'), (11, b':'), (14, b':'), (17, b':'), (20, b' ')] {
        if *text.get(at)? != mark {
            return None;
        }
    }
    let number = |from, to| digits(text.get(from..to)?);
    let month = MONTHS.iter().position(|name| Some(&name[..]) == text.get(3..6))?;
    let (day, year) = (number(0, 2)?, number(7, 11)?);
    let (hour, minute, second) = (number(12, 14)?, number(15, 17)?, number(18, 20)?);
    let zone = number(22, 24)? * 3_600 + number(24, 26)? * 60;
    let zone = match text.get(21)? {
        b'+' => zone,
        b'-' => -zone,
        _ => return None,
    };
    if hour > 23 || minute > 59 || second > 60 {
        return None;
    }
    let days = days_since_1970(year, i64::try_from(month).ok()? + 1, day)?;
    // A leap second is the one before it once more.
    let seconds = days * DAY + hour * 3_600 + minute * 60 + second.min(59) - zone;
    from_nanos(i128::from(seconds) * i128::from(SECOND))
}

/// Whatever a text says.
pub(super) fn of_text(text: &str) -> Option<Time> {
    if let Ok(number) = text.parse::<f64>() {
        // A whole number of seconds is one in each spelling but that of a fraction.
        return of_number(number).map(|(at, is_fine)| (at, is_fine || text.contains('.')));
    }
    if let Some(at) = of_common(text.as_bytes()) {
        return Some((at, false));
    }
    let is_fine = text.contains('.');
    if let Ok(at) = text.parse::<jiff::Timestamp>() {
        return Some((from_nanos(at.as_nanosecond())?, is_fine));
    }
    let at = text.parse::<civil::DateTime>().ok()?;
    let at = jiff::tz::TimeZone::UTC.to_timestamp(at).ok()?;
    Some((from_nanos(at.as_nanosecond())?, is_fine))
}

/// Seconds, or a thousandth, a millionth or a billionth of them.
pub(super) fn of_number(number: f64) -> Option<Time> {
    let (unit, is_fine) = match number {
        _ if !number.is_finite() || number < 0.0 => return None,
        _ if number < 1e11 => (1e9, number.fract() != 0.0),
        _ if number < 1e14 => (1e6, true),
        _ if number < 1e17 => (1e3, true),
        _ => (1.0, true),
    };
    // A double tells some hundred nanoseconds apart; microseconds are what is meant.
    let micros = (number * unit / 1e3).round();
    if micros >= u64::MAX as f64 / 1e3 {
        return None;
    }
    Some((Timestamp::from_micros(micros as u64), is_fine))
}

/// As reports write it, in UTC.
#[must_use]
pub fn written(at: Timestamp) -> String {
    match jiff::Timestamp::from_nanosecond(i128::from(at.as_nanos())) {
        Ok(at) => at.strftime("%Y-%m-%d %H:%M:%S").to_string(),
        Err(_) => String::from("never"),
    }
}

fn from_nanos(nanos: i128) -> Option<Timestamp> {
    u64::try_from(nanos).ok().map(Timestamp::from_nanos)
}

fn digits(text: &[u8]) -> Option<i64> {
    text.iter().try_fold(0, |sum: i64, digit| {
        digit.is_ascii_digit().then(|| sum * 10 + i64::from(digit - b'0'))
    })
}

/// Days of the Gregorian calendar; `None` if there is no such day.
fn days_since_1970(year: i64, month: i64, day: i64) -> Option<i64> {
    let is_leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let longest = match month {
        2 => 28 + i64::from(is_leap),
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    };
    if !(1..=longest).contains(&day) {
        return None;
    }
    // Years that begin in March have their odd day at the end.
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let days = 365 * year + year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400);
    Some(days + (153 * month + 2) / 5 + day - 1 - 719_468)
}

#[cfg(test)]
mod tests {
    use portcullis::Timestamp;

    use super::{of_common, of_number, of_text, written};

    #[test]
    fn common_logs_say_when_with_a_zone() {
        let at = |text: &str| of_common(text.as_bytes()).map(written);
        let is = |text: &str| Some(text.to_string());
        assert_eq!(at("17/May/2015:10:05:03 +0000"), is("2015-05-17 10:05:03"));
        assert_eq!(at("01/Mar/2024:00:30:00 +0100"), is("2024-02-29 23:30:00"));
        assert_eq!(at("31/Dec/1999:23:59:60 -0930"), is("2000-01-01 09:29:59"));
        assert_eq!(at("01/Jan/1970:00:00:00 +0000"), is("1970-01-01 00:00:00"));
        for wrong in [
            "",
            "31/Dec/1969:23:59:59 +0000",
            "29/Feb/2023:00:00:00 +0000",
            "30/Feb/2024:00:00:00 +0000",
            "00/May/2015:10:05:03 +0000",
            "17/may/2015:10:05:03 +0000",
            "17/May/2015:24:05:03 +0000",
            "17/May/2015:10:60:03 +0000",
            "17/May/2015:10:05:61 +0000",
            "17/May/2015:10:05:03 00000",
            "17/May/2015 10:05:03 +0000",
            "17/May/2015:10:05:03 +000",
            "17/May/9999:10:05:03 +0000",
            "1\u{0661}/May/2015:10:05:3 +0000",
        ] {
            assert_eq!(at(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn common_logs_and_the_calendar_of_a_library_agree() {
        for day in 0..80_000_u64 {
            let at = Timestamp::from_secs(day * 86_400 + day % 86_400);
            let date = jiff::Timestamp::from_nanosecond(at.as_nanos().into()).unwrap();
            let text = date.strftime("%d/%b/%Y:%H:%M:%S +0000").to_string();
            assert_eq!(of_common(text.as_bytes()), Some(at), "{text}");
        }
    }

    #[test]
    fn numbers_are_seconds_or_parts_of_them_by_their_size() {
        let at = |micros| Timestamp::from_micros(micros);
        let second = 1_431_857_103_000_000;
        let table = [
            ("1431857103", Some((at(second), false))),
            ("1431857103.000", Some((at(second), true))),
            ("1431857103.25", Some((at(second + 250_000), true))),
            ("1431857103250", Some((at(second + 250_000), true))),
            ("1431857103250000", Some((at(second + 250_000), true))),
            ("1431857103250000000", Some((at(second + 250_000), true))),
            ("-1", None),
            ("NaN", None),
            ("inf", None),
            ("1e300", None),
        ];
        for (text, time) in table {
            assert_eq!(of_text(text), time, "{text}");
        }
        assert_eq!(of_number(0.0), Some((Timestamp::ZERO, false)));
    }

    #[test]
    fn texts_are_read_with_and_without_a_zone() {
        let at = |text| of_text(text).map(|(at, is_fine)| (written(at), is_fine));
        let is = |is_fine| Some(("2015-05-17 10:05:03".to_string(), is_fine));
        assert_eq!(at("2015-05-17T10:05:03Z"), is(false));
        assert_eq!(at("2015-05-17T12:05:03.250+02:00"), is(true));
        assert_eq!(at("2015-05-17 10:05:03"), is(false));
        assert_eq!(at("17/May/2015:10:05:03 +0000"), is(false));
        assert_eq!(at("yesterday"), None);
        assert_eq!(at("1815-05-17T10:05:03Z"), None);
    }
}
