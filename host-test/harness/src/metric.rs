//! Counters, gauges and histograms that a filter defines.

use std::collections::BTreeMap;

use crate::status::Status;

/// The value of a metric.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Metric {
    /// Only grows.
    Counter(u64),
    /// Goes up and down.
    Gauge(u64),
    /// What was recorded, summed up.
    Histogram {
        /// How many values were recorded.
        count: u64,
        /// Their sum, wrapping.
        sum: u64,
    },
}

impl Metric {
    /// The value of a counter or gauge, the count of a histogram.
    #[must_use]
    pub const fn value(self) -> u64 {
        match self {
            Self::Counter(value) | Self::Gauge(value) => value,
            Self::Histogram { count, .. } => count,
        }
    }
}

/// Metrics by name, and the ids that the running virtual machine knows them by.
#[derive(Debug, Default)]
pub(crate) struct Metrics {
    values: BTreeMap<String, Metric>,
    ids: BTreeMap<u32, String>,
}

/// Envoy numbers each kind by itself, and keeps the kind in the lowest two bits of an id.
const KIND_MASK: u32 = 3;
const COUNTER: u32 = 0;
const GAUGE: u32 = 1;
const HISTOGRAM: u32 = 2;

impl Metrics {
    pub(crate) const fn values(&self) -> &BTreeMap<String, Metric> {
        &self.values
    }

    /// A reloaded virtual machine starts with no ids, while the proxy's statistics stay.
    pub(crate) fn forget_ids(&mut self) {
        self.ids.clear();
    }

    /// Envoy knows no kind above 2, and counts a name that was defined as two kinds twice; here both are refused.
    pub(crate) fn define(&mut self, kind: u32, name: &str) -> Result<u32, Status> {
        let fresh = match kind {
            COUNTER => Metric::Counter(0),
            GAUGE => Metric::Gauge(0),
            HISTOGRAM => Metric::Histogram { count: 0, sum: 0 },
            _ => return Err(Status::BadArgument),
        };
        let known = *self.values.entry(name.to_owned()).or_insert(fresh);
        if std::mem::discriminant(&known) != std::mem::discriminant(&fresh) {
            return Err(Status::BadArgument);
        }
        let last = self.ids.keys().rev().copied().find(|id| id & KIND_MASK == kind);
        // The first one is past 0, so that a filter which forgets to define one is found out.
        let id = last.unwrap_or(kind).checked_add(KIND_MASK + 1).ok_or(Status::InternalFailure)?;
        self.ids.insert(id, name.to_owned());
        Ok(id)
    }

    fn by_id(&mut self, id: u32) -> Result<&mut Metric, Status> {
        let name = self.ids.get(&id).ok_or(Status::NotFound)?;
        self.values.get_mut(name).ok_or(Status::NotFound)
    }

    pub(crate) fn increment(&mut self, id: u32, offset: i64) -> Result<(), Status> {
        if id & KIND_MASK > GAUGE {
            return Err(Status::BadArgument);
        }
        match self.by_id(id)? {
            Metric::Counter(value) if offset > 0 => *value = value.wrapping_add(offset.unsigned_abs()),
            Metric::Gauge(value) => *value = value.wrapping_add_signed(offset),
            Metric::Counter(_) | Metric::Histogram { .. } => return Err(Status::BadArgument),
        }
        Ok(())
    }

    pub(crate) fn record(&mut self, id: u32, new: u64) -> Result<(), Status> {
        match self.by_id(id)? {
            // Envoy adds when a counter is recorded.
            Metric::Counter(value) => *value = value.wrapping_add(new),
            Metric::Gauge(value) => *value = new,
            Metric::Histogram { count, sum } => {
                *count = count.wrapping_add(1);
                *sum = sum.wrapping_add(new);
            }
        }
        Ok(())
    }

    pub(crate) fn get(&mut self, id: u32) -> Result<u64, Status> {
        if id & KIND_MASK > GAUGE {
            return Err(Status::BadArgument);
        }
        match *self.by_id(id)? {
            Metric::Counter(value) | Metric::Gauge(value) => Ok(value),
            Metric::Histogram { .. } => Err(Status::BadArgument),
        }
    }
}
