use super::store::check;
use super::world::with;
use crate::rate_limit::{Error, Rate, Verdict};

/// The generic cell rate algorithm: one number a key, the time at which its allowance would be whole again.
pub(crate) fn take(key: &[u8], rate: Rate, cost: u32) -> Result<Verdict, Error> {
    if rate.limit == 0 || rate.period_ms == 0 || rate.burst == 0 {
        return Err(Error::Other("limit, period and burst are at least 1".into()));
    }
    check(key, &[])?;
    let interval_ns = (rate.period_ms.saturating_mul(1_000_000) / u64::from(rate.limit)).max(1);
    let room_ns = interval_ns.saturating_mul(rate.burst.into());
    Ok(with(|world| {
        let now = world.monotonic_ns;
        let whole_ns = world.allowances.get(key).copied().unwrap_or(now).max(now);
        let next_ns = whole_ns.saturating_add(interval_ns.saturating_mul(cost.into()));
        let taken_ns = next_ns - now;
        if taken_ns > room_ns {
            return Verdict::Refused((taken_ns - room_ns).div_ceil(1_000_000));
        }
        world.allowances.insert(key.to_vec(), next_ns);
        let left = (room_ns - taken_ns) / interval_ns;
        Verdict::Allowed(u32::try_from(left).unwrap_or(u32::MAX))
    }))
}
