//! What a document is executed with: the program, the operation, and the loaders of this one request.

use std::sync::Arc;

use async_graphql::Context;

use super::loaders::Loaders;
use crate::op::Op;
use crate::service::App;

/// What every resolver reaches through its context.
pub struct RequestContext {
    /// The program.
    pub app: Arc<App>,
    /// The operation.
    pub op: Arc<Op>,
    /// Address of the client, for limits.
    pub client: String,
    pub(super) loaders: Loaders,
}

impl RequestContext {
    /// The context of one request.
    pub fn new(app: Arc<App>, op: Op, client: String) -> Self {
        let op = Arc::new(op);
        Self { app, loaders: Loaders::new(&op), op, client }
    }
}

pub(super) fn request<'a>(ctx: &Context<'a>) -> &'a RequestContext {
    ctx.data_unchecked::<RequestContext>()
}

pub(super) fn op<'a>(ctx: &Context<'a>) -> &'a Op {
    &request(ctx).op
}

pub(super) fn app<'a>(ctx: &Context<'a>) -> &'a App {
    &request(ctx).app
}

pub(super) fn loaders<'a>(ctx: &Context<'a>) -> &'a Loaders {
    &request(ctx).loaders
}
