//! Who runs jobs, for what price, and who gets the next one.

use tonic::Status;

/// Somebody who runs jobs.
struct Provider {
    name: &'static str,
    /// What one unit of work costs.
    price: u64,
    /// How many units it can run at once.
    capacity: u64,
    busy: u64,
}

/// A job that a provider runs.
#[derive(Debug, PartialEq, Eq)]
pub struct Match {
    pub provider: &'static str,
    pub units: u64,
    price: u64,
}

impl Match {
    pub fn cost(&self) -> u64 {
        self.units * self.price
    }
}

/// All providers, the cheapest first; of two with one price, the first by name.
pub struct Market(Vec<Provider>);

impl Market {
    pub fn new() -> Self {
        let provider = |name, price, capacity| Provider { name, price, capacity, busy: 0 };
        Self(vec![provider("alder", 3, 8), provider("birch", 5, 32), provider("cedar", 8, 128)])
    }

    /// Gives the job to the cheapest provider with room for it.
    pub fn take(&mut self, units: u64, budget: u64) -> Result<Match, Status> {
        let provider = self.0.iter_mut().find(|provider| provider.capacity - provider.busy >= units);
        let provider = provider
            .ok_or_else(|| Status::resource_exhausted(format!("no provider has room for {units} units now")))?;
        let (name, price) = (provider.name, provider.price);
        let cost = units.saturating_mul(price);
        if cost > budget {
            return Err(Status::failed_precondition(format!(
                "\"budget\" is {budget}, and {name}, the cheapest with room, asks {cost}"
            )));
        }
        provider.busy += units;
        Ok(Match { provider: name, units, price })
    }

    /// Frees what a job takes up.
    pub fn release(&mut self, done: &Match) {
        for provider in self.0.iter_mut().filter(|provider| provider.name == done.provider) {
            provider.busy -= done.units;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tonic::Code;

    fn name_of(result: Result<Match, Status>) -> &'static str {
        result.unwrap().provider
    }

    fn refusal(result: Result<Match, Status>) -> (Code, String) {
        let status = result.unwrap_err();
        (status.code(), status.message().into())
    }

    #[test]
    fn the_cheapest_with_room_gets_the_job() {
        let mut market = Market::new();
        assert_eq!(name_of(market.take(8, u64::MAX)), "alder");
        assert_eq!(name_of(market.take(1, u64::MAX)), "birch");
        assert_eq!(name_of(market.take(32, u64::MAX)), "cedar");
        let reason = "no provider has room for 97 units now";
        assert_eq!(refusal(market.take(97, u64::MAX)), (Code::ResourceExhausted, reason.into()));
    }

    #[test]
    fn what_is_done_makes_room() {
        let mut market = Market::new();
        let first = market.take(8, u64::MAX).unwrap();
        market.release(&first);
        assert_eq!(market.take(8, u64::MAX).unwrap(), first);
    }

    #[test]
    fn a_price_over_the_budget_is_refused_and_takes_no_room() {
        let mut market = Market::new();
        let reason = "\"budget\" is 23, and alder, the cheapest with room, asks 24";
        assert_eq!(refusal(market.take(8, 23)), (Code::FailedPrecondition, reason.into()));
        assert_eq!(market.take(8, 24).unwrap().cost(), 24);
    }

    #[test]
    fn providers_stand_by_price_and_name() {
        let keys: Vec<_> = Market::new().0.iter().map(|provider| (provider.price, provider.name)).collect();
        let mut sorted = keys.clone();
        sorted.sort_unstable();
        assert_eq!(keys, sorted);
    }
}
