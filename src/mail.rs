//! Sends mail: to a server, or, where there is none, into a folder. It must not know why somebody is written to.

use std::path::PathBuf;
use std::time::Duration;

use lettre::message::header::ContentType;
use lettre::message::{Mailbox, Message};
use lettre::transport::smtp::authentication::Credentials;
use lettre::{AsyncSmtpTransport, AsyncTransport, Tokio1Executor};

use crate::domain::quote;
use crate::error::{Error, Result};

/// For one mail.
const TIMEOUT: Duration = Duration::from_secs(30);

/// How mail is sent.
pub struct Mailer {
    from: Mailbox,
    way: Way,
}

enum Way {
    Folder(PathBuf),
    Server(AsyncSmtpTransport<Tokio1Executor>),
}

/// A mail.
pub struct Letter<'a> {
    /// Names it: sent again, it is the same.
    pub id: &'a str,
    /// The address.
    pub to: &'a str,
    /// In a few words.
    pub subject: &'a str,
    /// In full, as plain text.
    pub body: &'a str,
}

/// Why a mail was not taken.
#[derive(Debug)]
pub struct Refused {
    /// Whether it would not be taken later either.
    pub for_ever: bool,
    /// In words.
    pub why: String,
}

impl Mailer {
    /// Sends by the server at the URL `smtp`, as `user` with `password` if there are such, or into a folder.
    ///
    /// # Errors
    /// `InvalidInput` for what is no address, or would send a password in the open.
    pub fn open(smtp: Option<&str>, login: Option<(&str, &str)>, from: &str, folder: PathBuf) -> Result<Self> {
        let from: Mailbox = from.parse().map_err(|_| {
            let text = format!("{} is no sender such as `Reeve <reeve@example.com>`", quote(from));
            Error::invalid("mail.from", "not_an_address", text)
        })?;
        let Some(url) = smtp else { return Ok(Self { from, way: Way::Folder(folder) }) };
        let problem = |reason: &str| Error::invalid("mail.smtp", "not_a_server", format!("`mail.smtp` {reason}"));
        if url.contains('@') {
            return Err(problem("has a user in it; name them by `mail.user` and give the password apart"));
        }
        if login.is_some() && !url.starts_with("smtps://") && !url.contains("tls=required") {
            return Err(problem("would send the password in the open; use `smtps://`, or add `?tls=required`"));
        }
        let builder = AsyncSmtpTransport::<Tokio1Executor>::from_url(url)
            .map_err(|_| problem("is no server such as `smtps://mail.example.com` or `smtp://localhost:25`"))?;
        let builder = builder.timeout(Some(TIMEOUT));
        let builder = match login {
            Some((user, password)) => builder.credentials(Credentials::new(user.to_owned(), password.to_owned())),
            None => builder,
        };
        Ok(Self { from, way: Way::Server(builder.build()) })
    }

    /// Sends a mail; what the server said, or where it lies.
    ///
    /// # Errors
    /// Why it was not taken.
    pub async fn send(&self, letter: &Letter<'_>) -> Result<String, Refused> {
        let message = self.message(letter)?;
        match &self.way {
            Way::Server(server) => match server.send(message).await {
                Ok(answer) => Ok(answer.message().collect::<Vec<_>>().join(" ")),
                Err(error) => Err(Refused { for_ever: error.is_permanent(), why: in_words(&error) }),
            },
            Way::Folder(folder) => {
                let file = folder.join(format!("{}.eml", letter.id));
                let written = async {
                    tokio::fs::create_dir_all(folder).await?;
                    // Whoever looks into the folder finds whole mails.
                    let unfinished = file.with_extension("part");
                    tokio::fs::write(&unfinished, message.formatted()).await?;
                    tokio::fs::rename(&unfinished, &file).await
                };
                match written.await {
                    Ok(()) => Ok("it lies in the folder of mails".to_owned()),
                    Err(error) => Err(Refused { for_ever: false, why: format!("it cannot be written ({error})") }),
                }
            }
        }
    }

    fn message(&self, letter: &Letter<'_>) -> Result<Message, Refused> {
        let refused = |why: String| Refused { for_ever: true, why };
        let to = letter.to.parse().map_err(|_| refused("it is for no address".to_owned()))?;
        // A header ends with its line; names of people do not get to begin another.
        let subject: String = letter.subject.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
        let domain = self.from.email.domain();
        Message::builder()
            .from(self.from.clone())
            .to(Mailbox::new(None, to))
            .subject(subject)
            .message_id(Some(format!("<{}@{domain}>", letter.id)))
            .header(ContentType::TEXT_PLAIN)
            .body(letter.body.to_owned())
            .map_err(|error| refused(format!("it cannot be written ({error})")))
    }
}

fn in_words(error: &lettre::transport::smtp::Error) -> String {
    use std::error::Error as _;
    let status = error.status().map(|status| format!("{status} ")).unwrap_or_default();
    match error.source() {
        Some(source) => format!("{status}{source}"),
        None => format!("{status}{error}"),
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a failed setup fails the test")]
mod tests {
    use super::*;

    fn mailer() -> Mailer {
        Mailer::open(None, None, "Reeve <reeve@example.com>", PathBuf::new()).unwrap()
    }

    #[test]
    fn nothing_that_is_written_becomes_a_header() {
        let letter = |subject, body| Letter { id: "dlv_1", to: "ada@example.com", subject, body };
        for hostile in ["x\r\nBcc: eve@example.com", "x\nBcc: eve@example.com", "x\u{2028}Bcc: e", "x\rBcc: eve"] {
            let message = mailer().message(&letter(hostile, "\r\nBcc: eve@example.com\r\n.\r\nQUIT")).unwrap();
            let text = String::from_utf8(message.formatted()).unwrap();
            let (head, _) = text.split_once("\r\n\r\n").unwrap();
            // Every line begins a header that is meant, or goes on with one.
            let known = ["From:", "To:", "Subject:", "Message-ID:", "Date:", "MIME-Version:", "Content-"];
            let meant = |line: &str| line.starts_with(' ') || known.iter().any(|name| line.starts_with(name));
            assert!(head.split("\r\n").all(meant), "{head}");
            assert!(!head.replace("\r\n", "").contains(['\r', '\n']), "{head}");
            assert_eq!(message.envelope().to().len(), 1);
        }
        for to in ["", "ada", "ada@example.com, eve@example.com", "ada@example.com\r\nBcc: e@example.com", "<a@b>\n"] {
            assert!(mailer().message(&Letter { to, ..letter("x", "y") }).is_err(), "{to:?}");
        }
    }

    #[test]
    fn a_password_is_not_sent_in_the_open() {
        let open = |url, login| Mailer::open(Some(url), login, "Reeve <reeve@example.com>", PathBuf::new());
        let login = Some(("reeve", "secret"));
        for good in ["smtps://mail.example.com", "smtp://mail.example.com:587?tls=required"] {
            assert!(open(good, login).is_ok(), "{good}");
        }
        assert!(open("smtp://localhost:25", None).is_ok());
        for bad in
            ["smtp://mail.example.com", "smtp://mail.example.com?tls=opportunistic", "https://x", "smtps://u:p@x"]
        {
            assert!(open(bad, login).is_err(), "{bad}");
        }
        assert!(Mailer::open(None, None, "nobody", PathBuf::new()).is_err());
    }
}
