//! What was measured of deployments.

use async_graphql::{Object, SimpleObject};
use chrono::{DateTime, Utc};

use crate::service::metric::Point;

/// What was measured from a time on, until the next point.
pub(in crate::graphql) struct MetricPoint(pub(in crate::graphql) Point);

/// Times until answers began, in milliseconds; each may be told too high by a fifth.
#[derive(SimpleObject)]
struct Latency {
    /// What half of all requests did not exceed.
    p50: f64,
    /// What nine of ten requests did not exceed.
    p90: f64,
    /// What 99 of a hundred requests did not exceed.
    p99: f64,
}

/// What was measured from a time on, until the next point.
#[Object]
impl MetricPoint {
    /// When it begins.
    async fn at(&self) -> DateTime<Utc> {
        self.0.at
    }

    /// Requests that were answered.
    async fn requests(&self) -> u64 {
        self.0.traffic.requests
    }

    /// Those that ended with a status from 400 to 499.
    async fn client_errors(&self) -> u64 {
        self.0.traffic.client_errors
    }

    /// Those that ended with a status from 500 on.
    async fn server_errors(&self) -> u64 {
        self.0.traffic.server_errors
    }

    /// How long answers took to begin; null without any.
    async fn latency(&self) -> Option<Latency> {
        let at = |part| self.0.traffic.percentile(part);
        Some(Latency { p50: at(0.5)?, p90: at(0.9)?, p99: at(0.99)? })
    }
}
