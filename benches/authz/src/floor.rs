//! The floor: a loop in Rust over the rows that the host has resolved for the engines, which are the answer but for
//! matching names. It must not know the engines.

use crate::contest::{Contestant, Questions, Result};

/// The loop.
pub(crate) fn contestant<'a>(questions: &'a Questions<'a>) -> Box<dyn Contestant + 'a> {
    Box::new(Floor(questions))
}

struct Floor<'a>(&'a Questions<'a>);

impl Contestant for Floor<'_> {
    fn name(&self) -> &'static str {
        "a loop over the rows that the host resolves for the engines"
    }

    fn ask(&mut self, number: usize) -> Result<bool> {
        let request = &self.0.requests[number];
        Ok(self.0.host.allows(&request.held, &request.counting, (request.capability, request.kind)))
    }
}
