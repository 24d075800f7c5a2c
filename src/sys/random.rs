//! The one source of randomness: the operating system's generator; it must not know what a secret is used for.

use data_encoding::BASE64URL_NOPAD;

/// Unpredictable bytes. Without a working generator no key or token can be made safely and none of them may be guessed
/// at, so the process ends instead of handing the error to callers who could only do the same.
#[must_use]
#[expect(clippy::disallowed_methods, reason = "this is the one reader of the generator")]
pub fn bytes<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    if let Err(error) = getrandom::fill(&mut bytes) {
        tracing::error!(%error, "the operating system gives no randomness");
        std::process::abort();
    }
    bytes
}

/// A secret of 256 bits as 43 characters that are safe in addresses and headers (base64url without padding).
#[must_use]
pub fn token() -> String {
    BASE64URL_NOPAD.encode(&bytes::<32>())
}
