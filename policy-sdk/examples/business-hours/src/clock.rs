//! Days and times of day at a fixed distance from UTC.

use serde::Deserialize;
use std::fmt;

const MINUTES_PER_DAY: i64 = 24 * 60;

/// A day of the week.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Day {
    Monday,
    Tuesday,
    Wednesday,
    Thursday,
    Friday,
    Saturday,
    Sunday,
}

/// In minutes since midnight; in settings `hh:mm`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(try_from = "String")]
pub(crate) struct TimeOfDay(i64);

/// The day and the time of day, where clocks are `utc_offset_minutes` ahead of UTC.
pub(crate) fn local(now: u64, utc_offset_minutes: i16) -> (Day, TimeOfDay) {
    // Whole minutes first: a sixtieth of any `u64` has room for an offset in an `i64`.
    let minutes = (now / 60).cast_signed() + i64::from(utc_offset_minutes);
    let day = match minutes.div_euclid(MINUTES_PER_DAY).rem_euclid(7) {
        // 1970-01-01
        0 => Day::Thursday,
        1 => Day::Friday,
        2 => Day::Saturday,
        3 => Day::Sunday,
        4 => Day::Monday,
        5 => Day::Tuesday,
        _ => Day::Wednesday,
    };
    (day, TimeOfDay(minutes.rem_euclid(MINUTES_PER_DAY)))
}

impl TryFrom<String> for TimeOfDay {
    type Error = &'static str;

    /// `time = 2DIGIT ":" 2DIGIT`, to 24:00, which is when the last day ends.
    fn try_from(time: String) -> Result<Self, Self::Error> {
        let two_digits = |text: &str| match text.as_bytes() {
            [tens @ b'0'..=b'9', ones @ b'0'..=b'9'] => {
                Some(i64::from(tens - b'0') * 10 + i64::from(ones - b'0'))
            }
            _ => None,
        };
        let minutes = time.split_once(':').and_then(|(hours, minutes)| {
            let minutes = two_digits(minutes).filter(|minutes| *minutes < 60)?;
            Some(two_digits(hours)? * 60 + minutes)
        });
        let minutes = minutes.filter(|minutes| *minutes <= MINUTES_PER_DAY);
        minutes.map(Self).ok_or("must be a time of day, such as `09:00`")
    }
}

impl fmt::Display for TimeOfDay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:02}:{:02}", self.0 / 60, self.0 % 60)
    }
}

impl fmt::Display for Day {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Monday => "monday",
            Self::Tuesday => "tuesday",
            Self::Wednesday => "wednesday",
            Self::Thursday => "thursday",
            Self::Friday => "friday",
            Self::Saturday => "saturday",
            Self::Sunday => "sunday",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(time: &str) -> Result<TimeOfDay, &'static str> {
        time.to_owned().try_into()
    }

    #[test]
    fn what_is_no_time_of_day_is_refused() {
        for time in [
            "",
            "9:00",
            "09:0",
            "0900",
            "09:60",
            "24:01",
            "99:00",
            "-1:00",
            "+9:00",
            "09:00 ",
            "09:00:00",
            "٠٩:٠٠",
        ] {
            assert!(read(time).is_err(), "{time}");
        }
    }

    #[test]
    fn times_of_day_are_read_and_written() {
        for time in ["00:00", "09:05", "23:59", "24:00"] {
            assert_eq!(read(time).unwrap().to_string(), time);
        }
    }

    #[test]
    fn any_moment_has_a_day_and_a_time() {
        let show = |now, offset| {
            let (day, time) = local(now, offset);
            format!("{day} {time}")
        };
        assert_eq!(show(0, 0), "thursday 00:00");
        assert_eq!(show(0, -1), "wednesday 23:59");
        assert_eq!(show(86_399, 0), "thursday 23:59");
        assert_eq!(show(86_399, 1), "friday 00:00");
        // 2024-02-29 12:00 and the same moment on the other side of the date line.
        assert_eq!(show(1_709_208_000, 0), "thursday 12:00");
        assert_eq!(show(1_709_208_000, 840), "friday 02:00");
        assert_eq!(show(u64::MAX, i16::MAX), show(u64::MAX - u64::MAX % 60, i16::MAX));
        assert_eq!(show(u64::MAX, i16::MIN), show(u64::MAX - u64::MAX % 60, i16::MIN));
    }
}
