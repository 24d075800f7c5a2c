//! Upgraded connections, as WebSockets: bytes in both directions while the claim on the target is held.

use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;

use super::target::Claim;

/// Joins both ends until one closes or the target is cut.
pub(super) async fn join(client: OnUpgrade, program: OnUpgrade, claim: Claim) {
    let work = async {
        let (Ok(client), Ok(program)) = tokio::join!(client, program) else { return };
        let (mut client, mut program) = (TokioIo::new(client), TokioIo::new(program));
        // A tunnel that breaks is how most of them end; there is nobody left to tell.
        let _ = tokio::io::copy_bidirectional(&mut client, &mut program).await;
    };
    tokio::select! {
        () = work => {}
        () = claim.target().cancel.cancelled() => {}
    }
}
