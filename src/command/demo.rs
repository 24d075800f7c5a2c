//! Placeholder.
use crate::error::Result;
pub(super) async fn run(_server: &str, _data: &std::path::Path) -> Result<()> {
    Ok(())
}
