//! Ages and sizes as people say them; it must not know what is old or large.

use chrono::{DateTime, Utc};

/// How long ago it was, such as `3 min ago`; the day itself when it is more than a month.
pub(super) fn age(at: DateTime<Utc>, now: DateTime<Utc>) -> String {
    let seconds = (now - at).num_seconds();
    match seconds {
        ..5 => "just now".to_owned(),
        5..60 => format!("{seconds} s ago"),
        60..3_600 => format!("{} min ago", seconds / 60),
        3_600..86_400 => format!("{} h ago", seconds / 3_600),
        86_400..2_592_000 => format!("{} d ago", seconds / 86_400),
        2_592_000.. => at.format("%Y-%m-%d").to_string(),
    }
}

/// A number of bytes with two digits or more, such as `1.2 MB` (a million bytes and a fifth).
pub(super) fn size(bytes: u64) -> String {
    let mut unit = 1_u64;
    for name in ["bytes", "kB", "MB"] {
        if bytes < unit.saturating_mul(1000) {
            let whole = bytes / unit;
            return if unit == 1 || whole >= 10 {
                format!("{whole} {name}")
            } else {
                format!("{whole}.{} {name}", bytes % unit * 10 / unit)
            };
        }
        unit = unit.saturating_mul(1000);
    }
    format!("{}.{} GB", bytes / unit, bytes % unit * 10 / unit)
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;

    use super::*;

    #[test]
    fn ages_read_as_people_say_them() {
        let now = DateTime::<Utc>::UNIX_EPOCH + TimeDelta::days(365);
        let ago = |seconds| age(now - TimeDelta::seconds(seconds), now);
        assert_eq!(
            [-90, 0, 5, 59, 60, 3_599, 3_600, 86_399, 86_400, 2_591_999].map(ago),
            [
                "just now",
                "just now",
                "5 s ago",
                "59 s ago",
                "1 min ago",
                "59 min ago",
                "1 h ago",
                "23 h ago",
                "1 d ago",
                "29 d ago"
            ]
        );
        assert_eq!(ago(31 * 86_400), "1970-12-01");
    }

    #[test]
    fn sizes_keep_two_digits() {
        assert_eq!(
            [0, 999, 1_000, 1_999, 10_500, 999_999, 1_200_000, 1_073_741_824].map(size),
            ["0 bytes", "999 bytes", "1.0 kB", "1.9 kB", "10 kB", "999 kB", "1.2 MB", "1.0 GB"]
        );
    }
}
