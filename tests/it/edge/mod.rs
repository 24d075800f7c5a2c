//! The edge and the process runtime by themselves, without a control plane.

mod apart;
mod health;
mod hygiene;
mod instances;
mod policy;
mod process;
mod static_site;
mod streams;
mod support;
mod switch;
mod tls;
