//! Answers made smaller on their way: which coding a client takes, which content is worth it, and the coding itself. It must
//! not know where an answer comes from.

use std::{
    io::{self, Write as _},
    pin::Pin,
    task::{Context, Poll},
};

use brotli::CompressorWriter;
use bytes::Bytes;
use flate2::{Compression, write::GzEncoder};
use http_body_util::BodyExt as _;
use hyper::{
    Response, StatusCode,
    body::{Body, Frame},
    header::{
        ACCEPT_ENCODING, ACCEPT_RANGES, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, ETAG, HeaderMap,
        HeaderValue, VARY,
    },
};

use super::body::{BoxError, ResponseBody};

/// Smaller answers do not become smaller, or not by much.
pub(super) const SMALLEST: u64 = 1024;
/// For what is made once and kept, and for what is made while a client waits.
const KEPT: (u32, Compression) = (9, Compression::new(8));
const PASSING: (u32, Compression) = (4, Compression::new(4));
/// Bytes that an encoder holds, and the width of brotli's window in bits.
const BUFFER: usize = 8 * 1024;
const WINDOW: u32 = 20;

/// How an answer is made smaller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Coding {
    Brotli,
    Gzip,
}

impl Coding {
    /// The best of those that a client takes.
    pub(super) fn wanted(headers: &HeaderMap) -> Option<Self> {
        let takes = |name: &str| {
            let values = headers.get_all(ACCEPT_ENCODING).iter().filter_map(|value| value.to_str().ok());
            values.flat_map(|value| value.split(',')).any(|part| {
                let mut words = part.split(';').map(str::trim);
                let named = words.next().is_some_and(|word| word.eq_ignore_ascii_case(name));
                let refused = |word: &str| word.strip_prefix("q=").is_some_and(|q| q.parse() == Ok(0.0_f32));
                named && !words.any(refused)
            })
        };
        if takes("br") { Some(Self::Brotli) } else { takes("gzip").then_some(Self::Gzip) }
    }

    /// Its name in headers.
    pub(super) fn name(self) -> HeaderValue {
        HeaderValue::from_static(match self {
            Self::Brotli => "br",
            Self::Gzip => "gzip",
        })
    }
}

/// Whether content of this type becomes smaller: what is compressed already does not, and a stream of events must not wait.
pub(super) fn pays(content_type: Option<&HeaderValue>) -> bool {
    let kind = content_type.and_then(|value| value.to_str().ok()).unwrap_or_default();
    let kind = kind.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    let named = ["application/javascript", "application/json", "application/xml", "application/wasm", "image/svg+xml"];
    (kind.starts_with("text/") && kind != "text/event-stream")
        || kind.ends_with("+json")
        || kind.ends_with("+xml")
        || named.contains(&kind.as_str())
}

/// Says to caches that the answer depends on what the client takes.
pub(super) fn varies(headers: &mut HeaderMap) {
    headers.append(VARY, HeaderValue::from_static("accept-encoding"));
}

/// The same bytes made smaller, for keeping.
///
/// # Errors
/// None in practice: memory is written to.
pub(super) fn whole(bytes: &[u8], coding: Coding) -> io::Result<Vec<u8>> {
    let mut encoder = Encoder::new(coding, KEPT);
    encoder.write(bytes)?;
    encoder.finish()
}

/// A program's answer made smaller while it passes, if it is worth it and the program has not done so itself.
pub(super) fn passing(response: Response<ResponseBody>, coding: Option<Coding>) -> Response<ResponseBody> {
    let headers = response.headers();
    let small = |value: &HeaderValue| {
        value.to_str().ok().and_then(|text| text.parse::<u64>().ok()).is_none_or(|length| length < SMALLEST)
    };
    let bodiless = matches!(
        response.status(),
        StatusCode::NO_CONTENT
            | StatusCode::PARTIAL_CONTENT
            | StatusCode::NOT_MODIFIED
            | StatusCode::SWITCHING_PROTOCOLS
    );
    let kept_whole = |value: &HeaderValue| value.to_str().is_ok_and(|text| text.contains("no-transform"));
    if bodiless
        || !pays(headers.get(CONTENT_TYPE))
        || headers.contains_key(CONTENT_ENCODING)
        || headers.get(CONTENT_LENGTH).is_some_and(small)
        || headers.get_all(CACHE_CONTROL).iter().any(kept_whole)
    {
        return response;
    }
    let (mut head, body) = response.into_parts();
    varies(&mut head.headers);
    let Some(coding) = coding else { return Response::from_parts(head, body) };
    head.headers.remove(CONTENT_LENGTH);
    head.headers.remove(ACCEPT_RANGES);
    head.headers.insert(CONTENT_ENCODING, coding.name());
    // Other bytes than those that a strong validator stands for.
    let weak = head.headers.get(ETAG).and_then(|tag| tag.to_str().ok()).filter(|tag| !tag.starts_with("W/"));
    if let Some(weak) = weak.and_then(|tag| HeaderValue::try_from(format!("W/{tag}")).ok()) {
        head.headers.insert(ETAG, weak);
    }
    let body = Packed { inner: body, encoder: Some(Encoder::new(coding, PASSING)) };
    Response::from_parts(head, body.boxed_unsync())
}

enum Encoder {
    Brotli(Box<CompressorWriter<Vec<u8>>>),
    Gzip(GzEncoder<Vec<u8>>),
}

impl Encoder {
    fn new(coding: Coding, (brotli, gzip): (u32, Compression)) -> Self {
        match coding {
            Coding::Brotli => Self::Brotli(Box::new(CompressorWriter::new(Vec::new(), BUFFER, brotli, WINDOW))),
            Coding::Gzip => Self::Gzip(GzEncoder::new(Vec::new(), gzip)),
        }
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        match self {
            Self::Brotli(encoder) => encoder.write_all(bytes),
            Self::Gzip(encoder) => encoder.write_all(bytes),
        }
    }

    /// Everything that was written so far, so that no piece waits for the next.
    fn flushed(&mut self) -> io::Result<Vec<u8>> {
        match self {
            Self::Brotli(encoder) => {
                encoder.flush()?;
                Ok(std::mem::take(encoder.get_mut()))
            }
            Self::Gzip(encoder) => {
                encoder.flush()?;
                Ok(std::mem::take(encoder.get_mut()))
            }
        }
    }

    fn finish(self) -> io::Result<Vec<u8>> {
        match self {
            Self::Brotli(encoder) => Ok(encoder.into_inner()),
            Self::Gzip(encoder) => encoder.finish(),
        }
    }
}

/// A body that is made smaller piece by piece. Trailers of programs end here.
struct Packed {
    inner: ResponseBody,
    encoder: Option<Encoder>,
}

impl Body for Packed {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        loop {
            let Some(mut encoder) = self.encoder.take() else { return Poll::Ready(None) };
            let frame = match Pin::new(&mut self.inner).poll_frame(cx) {
                Poll::Pending => {
                    self.encoder = Some(encoder);
                    return Poll::Pending;
                }
                Poll::Ready(frame) => frame,
            };
            let made = match frame {
                Some(Err(error)) => return Poll::Ready(Some(Err(error))),
                None => encoder.finish(),
                Some(Ok(frame)) => {
                    let Ok(data) = frame.into_data() else {
                        self.encoder = Some(encoder);
                        continue;
                    };
                    let made = encoder.write(&data).and_then(|()| encoder.flushed());
                    self.encoder = Some(encoder);
                    made
                }
            };
            match made {
                Ok(bytes) if bytes.is_empty() => {}
                Ok(bytes) => return Poll::Ready(Some(Ok(Frame::data(bytes.into())))),
                Err(error) => {
                    self.encoder = None;
                    return Poll::Ready(Some(Err(error.into())));
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_gets_the_best_of_what_it_takes() {
        let wanted = |text: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert(ACCEPT_ENCODING, HeaderValue::from_static(text));
            Coding::wanted(&headers)
        };
        assert_eq!(wanted("gzip, deflate, br"), Some(Coding::Brotli));
        assert_eq!(wanted("gzip;q=0.5, BR;q=0"), Some(Coding::Gzip));
        assert_eq!(wanted("GZIP"), Some(Coding::Gzip));
        assert_eq!(wanted("gzip;q=0.0, identity"), None);
        assert_eq!(wanted("zstd, brx"), None);
        assert_eq!(Coding::wanted(&HeaderMap::new()), None);
    }

    #[test]
    fn only_text_of_some_kind_pays() {
        let text = |text: &'static str| pays(Some(&HeaderValue::from_static(text)));
        for kind in ["text/html; charset=utf-8", "application/json", "image/svg+xml", "application/ld+json", "TEXT/CSS"]
        {
            assert!(text(kind), "{kind}");
        }
        for kind in ["image/png", "text/event-stream", "application/zip", "video/mp4", ""] {
            assert!(!text(kind), "{kind}");
        }
        assert!(!pays(None));
    }
}
