//! What a new password must be, after NIST SP 800-63B: long rather than odd, and not one that everybody tries first; it
//! must not know how passwords are kept.

use std::fmt;

use super::invalid::Invalid;

const MIN: usize = 12;
const MAX: usize = 256;

/// Long enough and yet at the top of every published list.
const COMMON: [&str; 24] = [
    "000000000000",
    "111111111111",
    "112233445566",
    "123123123123",
    "123456123456",
    "123456789012",
    "1234567890123",
    "123456789abc",
    "1q2w3e4r5t6y",
    "1qaz2wsx3edc",
    "abcdefghijkl",
    "administrator",
    "changemechangeme",
    "correcthorsebatterystaple",
    "iloveyou1234",
    "letmeinletmein",
    "password1234",
    "password12345",
    "passwordpassword",
    "qwerty123456",
    "qwertyqwerty",
    "qwertyuiop12",
    "qwertyuiop[]",
    "qwertyuiopas",
];

/// A password that somebody may choose. It is never shown, and it is not trimmed: spaces count.
#[derive(Clone, PartialEq, Eq)]
pub struct Password(String);

impl Password {
    /// 12 to 256 characters, neither well known nor the account's own e-mail address, which may itself be no good yet: all
    /// problems of a form are told at once.
    ///
    /// # Errors
    /// The first rule that the text breaks; the message never repeats the password.
    pub fn parse(text: &str, email: &str) -> Result<Self, Invalid> {
        let length = text.chars().count();
        if length < MIN {
            return Err(Invalid::new("too_short", "the password is too short, use 12 characters or more"));
        }
        if length > MAX {
            return Err(Invalid::new("too_long", "the password is too long, use 256 characters at most"));
        }
        let lower = text.to_lowercase();
        let mut characters = lower.chars();
        let first = characters.next();
        if characters.all(|c| Some(c) == first) || COMMON.contains(&lower.as_str()) {
            return Err(Invalid::new("common", "the password is one that attackers try first, choose another"));
        }
        let email = email.trim().to_lowercase();
        if lower == email || Some(lower.as_str()) == email.split('@').next() {
            return Err(Invalid::new("equals_email", "the password is your e-mail address, choose another"));
        }
        Ok(Self(text.to_owned()))
    }

    /// The password itself, for hashing only.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Password(redacted)")
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a failed setup fails the test")]
mod tests {
    use super::*;

    #[test]
    fn length_counts_characters_and_easy_ones_are_refused() {
        let email = "wilhelmina.smith@example.com";
        let constraint = |text: &str| Password::parse(text, email).err().map(|problem| problem.constraint);
        assert_eq!(constraint("a battery of staples"), None);
        assert_eq!(constraint("\u{e9}\u{e8}\u{ea}\u{e9}\u{e8}\u{ea}\u{e9}\u{e8}\u{ea}\u{e9}\u{e8}\u{ea}"), None);
        assert_eq!(constraint("elevenchars"), Some("too_short"));
        assert_eq!(constraint(&"ab".repeat(129)), Some("too_long"));
        assert_eq!(constraint("PasswordPassword"), Some("common"));
        assert_eq!(constraint("zzzzzzzzzzzz"), Some("common"));
        assert_eq!(constraint("Wilhelmina.Smith@example.com"), Some("equals_email"));
        assert_eq!(constraint("wilhelmina.smith"), Some("equals_email"));
    }

    #[test]
    fn a_password_does_not_appear_in_debug_output() {
        let password = Password::parse("a battery of staples", "a@example.com").unwrap();
        assert_eq!(format!("{password:?}"), "Password(redacted)");
    }
}
