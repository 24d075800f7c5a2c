//! Gathers look-ups by key that fields of one document need at the same time, so that they are answered together. It must not
//! know what is looked up.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use futures_util::FutureExt;
use futures_util::future::{BoxFuture, Shared};

use crate::error::Result;
use crate::op::Op;

/// A batch waits until every field that is ready has said what it needs. The fields of a document run in one task, so that one
/// turn would do; a list gives the turn away once itself.
const TURNS: usize = 3;

/// A kind of look-up by key.
pub(super) trait Lookup: Send + Sync + 'static {
    /// What is asked by.
    type Key: Copy + Eq + Hash + Send + Sync + 'static;
    /// What is answered.
    type Value: Send + Sync + 'static;
    /// Answers for all keys at once; what is not there, or not for this actor, is left out.
    fn many(op: &Op, keys: &[Self::Key]) -> impl Future<Output = Result<Vec<(Self::Key, Self::Value)>>> + Send;
}

type Answers<L> = Arc<HashMap<<L as Lookup>::Key, Arc<<L as Lookup>::Value>>>;
/// Answers on their way; whoever waits for them moves them on.
type Coming<L> = Shared<BoxFuture<'static, Result<Answers<L>>>>;

/// One kind of look-up in one request; nothing is asked twice until something changes.
pub(super) struct Load<L: Lookup> {
    op: Arc<Op>,
    asked: Arc<Mutex<Asked<L>>>,
}

struct Asked<L: Lookup> {
    /// The batch that takes more keys.
    open: Option<(Vec<L::Key>, Coming<L>)>,
    /// What was asked since something changed last.
    coming: HashMap<L::Key, Coming<L>>,
    changes: u64,
}

impl<L: Lookup> Load<L> {
    pub(super) fn new(op: &Arc<Op>) -> Self {
        let asked = Asked { open: None, coming: HashMap::new(), changes: 0 };
        Self { op: op.clone(), asked: Arc::new(Mutex::new(asked)) }
    }

    /// The value for `key`, if there is one and this actor may see it.
    pub(super) async fn one(&self, key: L::Key) -> Result<Option<Arc<L::Value>>> {
        let coming = self.coming(key);
        // Here and not in the batch, which moves on whenever one of those looks who wait for it.
        for _ in 0..TURNS {
            if coming.peek().is_some() {
                break;
            }
            tokio::task::yield_now().await;
        }
        Ok(coming.await?.get(&key).cloned())
    }

    fn coming(&self, key: L::Key) -> Coming<L> {
        let mut asked = lock(&self.asked);
        let changes = self.op.changes();
        if asked.changes != changes {
            asked.coming.clear();
            asked.changes = changes;
        }
        if let Some(coming) = asked.coming.get(&key) {
            return coming.clone();
        }
        let coming = match &mut asked.open {
            Some((keys, coming)) => {
                keys.push(key);
                coming.clone()
            }
            None => {
                let coming = batch(self.op.clone(), Arc::downgrade(&self.asked));
                asked.open = Some((vec![key], coming.clone()));
                coming
            }
        };
        asked.coming.insert(key, coming.clone());
        coming
    }
}

/// What is asked holds the batch, so the batch must not hold what is asked.
fn batch<L: Lookup>(op: Arc<Op>, asked: Weak<Mutex<Asked<L>>>) -> Coming<L> {
    let answers = async move {
        let open = asked.upgrade().and_then(|asked| lock(&asked).open.take());
        let keys = open.map(|(keys, _)| keys).unwrap_or_default();
        let found = L::many(&op, &keys).await?;
        Ok(Arc::new(found.into_iter().map(|(key, value)| (key, Arc::new(value))).collect()))
    };
    answers.boxed().shared()
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
