//! Who is asking: passwords, keys and tokens as primitives; it must not know accounts, sessions in a database, or what
//! anybody may do.

pub mod keys;
pub mod master_key;
pub mod opaque;
pub mod passwords;
pub mod rate_limit;
pub mod signing;

pub mod tokens;
pub mod webhook;
