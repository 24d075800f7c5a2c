//! Instance tiers: how much of a machine one instance may use. It must not know how that is enforced.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

/// The size of an instance.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Tier {
    /// A quarter of a processor, 512 MB, 5 GB.
    #[default]
    Hobby,
    /// One processor, 2 GB, 50 GB.
    Tier1,
    /// Two processors, 4 GB, 100 GB.
    Tier2,
    /// Four processors, 8 GB, 150 GB.
    Tier3,
}

/// What an instance may use at most.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limits {
    /// Thousandths of a processor.
    pub cpu_millis: u64,
    /// Bytes of memory, temporary files among them.
    pub memory_bytes: u64,
    /// Processes and threads.
    pub processes: u64,
    /// Bytes that the whole project may store.
    pub storage_bytes: u64,
}

impl Tier {
    /// Every tier, the smallest first.
    pub const ALL: [Tier; 4] = [Self::Hobby, Self::Tier1, Self::Tier2, Self::Tier3];

    /// Its name in `reeve.toml`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Hobby => "hobby",
            Self::Tier1 => "tier1",
            Self::Tier2 => "tier2",
            Self::Tier3 => "tier3",
        }
    }

    /// What an instance of it may use.
    #[must_use]
    pub fn limits(self) -> Limits {
        let of = |cpu_millis, memory_mb: u64, processes, storage_gb: u64| Limits {
            cpu_millis,
            memory_bytes: memory_mb << 20,
            processes,
            storage_bytes: storage_gb << 30,
        };
        match self {
            Self::Hobby => of(250, 512, 256, 5),
            Self::Tier1 => of(1000, 2048, 512, 50),
            Self::Tier2 => of(2000, 4096, 1024, 100),
            Self::Tier3 => of(4000, 8192, 2048, 150),
        }
    }
}

impl fmt::Display for Tier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Tier {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        Self::ALL.into_iter().find(|tier| tier.name() == text).ok_or(())
    }
}
