//! New connections to a program, for the pool that keeps them. It must not know requests.

use std::{
    future::Future,
    io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use hyper::Uri;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tower_service::Service;

use crate::reach::Address;

/// Connects to one program, whatever the address of the request.
#[derive(Clone)]
pub(super) struct Connector {
    address: Arc<Address>,
    limit: Duration,
}

impl Connector {
    pub(super) fn new(address: Address, limit: Duration) -> Self {
        Self { address: Arc::new(address), limit }
    }
}

impl Service<Uri> for Connector {
    type Response = TokioIo<TcpStream>;
    type Error = io::Error;
    type Future = Pin<Box<dyn Future<Output = io::Result<Self::Response>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Uri) -> Self::Future {
        let (address, limit) = (self.address.clone(), self.limit);
        Box::pin(async move {
            let late = |_| io::Error::from(io::ErrorKind::TimedOut);
            let stream = tokio::time::timeout(limit, address.connect()).await.map_err(late)??;
            stream.set_nodelay(true)?;
            Ok(TokioIo::new(stream))
        })
    }
}
