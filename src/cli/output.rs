//! The only writer to the terminal. What comes from a server may be hostile, so everything is printed with control
//! characters made visible; it must not know any command.

use std::io::{self, ErrorKind, IsTerminal, Write};

use comfy_table::{Table, presets};
use serde::Serialize;

use super::failure::Failure;

/// Where a command writes: results to standard output, everything else to standard error.
#[derive(Clone, Copy, Debug)]
pub(super) struct Output {
    /// One JSON document instead of text.
    pub(super) json: bool,
    /// Nothing but results and errors.
    pub(super) quiet: bool,
}

impl Output {
    /// The one result of a command.
    pub(super) fn result(&self, document: &impl Serialize, text: &str) -> Result<(), Failure> {
        if self.json {
            let document = serde_json::to_string_pretty(document)
                .map_err(|error| Failure::local("the result cannot be written as JSON", error))?;
            return write_to(io::stdout().lock(), &json_safe(&document));
        }
        if text.is_empty() { Ok(()) } else { write_to(io::stdout().lock(), &printable(text)) }
    }

    /// One of many results, a JSON document on a line; false when nobody reads any more.
    pub(super) fn raw_line(&self, document: &str) -> Result<bool, Failure> {
        write_or_end(io::stdout().lock(), &json_safe(document))
    }

    /// One of many results that come one after the other, as JSON each on a line of its own; whether somebody reads them still.
    pub(super) fn line(&self, document: &impl Serialize, text: &str) -> Result<bool, Failure> {
        let line = if self.json {
            let document = serde_json::to_string(document)
                .map_err(|error| Failure::local("the result cannot be written as JSON", error))?;
            json_safe(&document)
        } else {
            printable(text)
        };
        write_or_end(io::stdout().lock(), &line)
    }

    /// What happens meanwhile. It helps nobody to fail because of it, so an unwritable standard error is fine.
    pub(super) fn note(&self, text: &str) {
        if !self.quiet {
            let _unwritable = write_to(io::stderr().lock(), &printable(text));
        }
    }

    /// Why the command fails.
    pub(super) fn failure(&self, failure: &Failure) {
        let _unwritable = if self.json {
            write_to(io::stdout().lock(), &json_safe(&failure.to_json().to_string()))
        } else {
            write_to(io::stderr().lock(), &printable(&failure.to_text()))
        };
    }

    /// Whether a moving progress bar can be shown.
    pub(super) fn animates(&self) -> bool {
        !self.quiet && io::stderr().is_terminal()
    }
}

/// A reader that went away (`reeve log | head`) has what it wanted, so that is no failure.
fn write_to(stream: impl Write, text: &str) -> Result<(), Failure> {
    write_or_end(stream, text).map(|_| ())
}

/// Whether anybody reads it.
fn write_or_end(mut stream: impl Write, text: &str) -> Result<bool, Failure> {
    match stream.write_all(text.as_bytes()).and_then(|()| stream.write_all(b"\n")).and_then(|()| stream.flush()) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(false),
        Err(error) => Err(Failure::local("the output cannot be written", error)),
    }
}

/// Characters that move the cursor, change the terminal, or make text read otherwise than it is written.
fn deceives(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
}

fn escaped(text: &str, keep: &[char]) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in text.chars() {
        if deceives(c) && !keep.contains(&c) { safe.extend(c.escape_default()) } else { safe.push(c) }
    }
    safe
}

fn printable(text: &str) -> String {
    escaped(text, &['\n', '\t'])
}

/// Text of others on one line of ours.
pub(super) fn one_line(text: &str) -> String {
    escaped(text.trim(), &[])
}

/// JSON escapes the C0 control characters itself; what is left can only stand inside of its strings.
fn json_safe(document: &str) -> String {
    let mut safe = String::with_capacity(document.len());
    for c in document.chars() {
        if deceives(c) && c != '\n' {
            safe.push_str(&format!("\\u{:04x}", u32::from(c)));
        } else {
            safe.push(c);
        }
    }
    safe
}

/// Rows below a header, without lines around them. Cells are put on one line each.
pub(super) fn table<const N: usize>(header: [&str; N], rows: impl IntoIterator<Item = [String; N]>) -> String {
    let mut table = Table::new();
    table.load_preset(presets::NOTHING);
    table.set_header(header);
    for row in rows {
        table.add_row(row.map(|cell| one_line(&cell)));
    }
    for column in table.column_iter_mut() {
        column.set_padding((0, 2));
    }
    table.lines().map(|line| line.trim_end().to_owned()).collect::<Vec<_>>().join("\n")
}

/// Facts for people, one a line, with their names in a column.
#[derive(Default)]
pub(super) struct Words(Vec<String>);

impl Words {
    /// Adds a fact; its value is text of others and put on one line.
    pub(super) fn say(&mut self, name: &str, value: &str) {
        self.0.push(format!("{name:<13}{}", one_line(value)));
    }

    /// All of them.
    pub(super) fn text(&self) -> String {
        self.0.join("\n")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hostile_server_cannot_move_the_cursor() {
        assert_eq!(printable("a\u{1b}[2Jb\r\u{9b}31m\u{202e}c\n\td"), "a\\u{1b}[2Jb\\r\\u{9b}31m\\u{202e}c\n\td");
        assert_eq!(one_line(" a\nb é 界 "), "a\\nb é 界");
    }

    #[test]
    fn json_keeps_its_meaning_without_control_characters() -> Result<(), serde_json::Error> {
        let hostile = "\u{1b}]0;x\u{7}\u{9b}\u{7f}\u{202e}\"\n";
        let document = json_safe(&serde_json::to_string_pretty(&[hostile])?);
        assert!(!document.chars().any(|c| deceives(c) && c != '\n'), "{document}");
        assert_eq!(serde_json::from_str::<Vec<String>>(&document)?, [hostile]);
        Ok(())
    }

    #[test]
    fn a_table_is_plain_columns() {
        let text = table(["NAME", "AGE"], [["a".to_owned(), "1".to_owned()], ["longer".to_owned(), "\n".to_owned()]]);
        assert_eq!(text, "NAME    AGE\na       1\nlonger");
    }

    #[test]
    fn a_reader_that_went_away_is_no_failure() {
        struct Gone(ErrorKind);
        impl Write for Gone {
            fn write(&mut self, _: &[u8]) -> io::Result<usize> {
                Err(self.0.into())
            }
            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
        assert!(write_to(Gone(ErrorKind::BrokenPipe), "x").is_ok());
        assert!(write_to(Gone(ErrorKind::StorageFull), "x").is_err());
    }
}
