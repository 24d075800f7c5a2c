//! Cuts what a program writes into lines. It must not know where they go.

/// Bytes of the longest line; what follows in it is cut off.
const LINE: usize = 16 * 1024;
/// At the end of a line that was cut.
const CUT: &str = " … [cut]";

/// Cuts a stream of bytes into lines.
#[derive(Default)]
pub(in crate::runtime) struct Lines {
    open: Vec<u8>,
    /// The rest of a line that was too long.
    skipping: bool,
}

impl Lines {
    /// Takes bytes and gives the lines that they complete.
    pub(in crate::runtime) fn feed(&mut self, bytes: &[u8], mut line: impl FnMut(String)) {
        let mut pieces = bytes.split(|byte| *byte == b'\n').peekable();
        while let Some(piece) = pieces.next() {
            let ends = pieces.peek().is_some();
            if !self.skipping {
                let room = LINE - self.open.len();
                self.open.extend_from_slice(&piece[..piece.len().min(room)]);
                if piece.len() > room {
                    // The cut may have gone through a character.
                    line(text(&self.open).trim_end_matches('\u{fffd}').to_owned() + CUT);
                    self.open.clear();
                    self.skipping = true;
                }
            }
            if ends {
                if !self.skipping {
                    line(text(self.open.strip_suffix(b"\r").unwrap_or(&self.open)));
                }
                self.open.clear();
                self.skipping = false;
            }
        }
    }

    /// The stream has ended: gives what no line break followed.
    pub(in crate::runtime) fn end(self, mut line: impl FnMut(String)) {
        if !self.open.is_empty() {
            line(text(&self.open));
        }
    }
}

/// What is no UTF-8 is replaced.
fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cut(parts: &[&[u8]]) -> Vec<String> {
        let (mut lines, mut found) = (Lines::default(), Vec::new());
        for part in parts {
            lines.feed(part, |line| found.push(line));
        }
        lines.end(|line| found.push(line));
        found
    }

    #[test]
    fn lines_are_cut_visibly_and_are_always_text() {
        assert_eq!(cut(&[b"one\r\ntw", b"o\n\nthree"]), ["one", "two", "", "three"]);
        assert_eq!(cut(&[b"a\xffb\n"]), ["a\u{fffd}b"]);
        let long = "é".repeat(LINE);
        let found = cut(&[b"x", long.as_bytes(), b"rest\nnext"]);
        assert_eq!(found.len(), 2);
        assert!(found[0].starts_with("xé") && found[0].ends_with("é … [cut]"), "{}", &found[0][LINE - 10..]);
        assert_eq!(found[1], "next");
    }
}
