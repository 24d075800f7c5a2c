//! How fresh authority is, on every replica, and what it costs to ask for it.

mod reads;
mod replicas;
mod statements;
