//! What happens to a job: matched, run, settled.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use gix_common::metrics::Counter;
use gix_common::wire::Message;
use gix_common::{log, peer};

use crate::ledger::{Ledger, AT_HAND};
use crate::market::{Market, Match};

/// How much of a limit is one unit of work.
const UNIT: u64 = 100_000;

static SETTLED: Counter = Counter::new("gix_auction_jobs_settled_total", "Jobs that are in the ledger.");
static FAILED: Counter = Counter::new("gix_auction_jobs_failed_total", "Jobs that were not matched, run or settled.");

/// What the metrics page shows.
pub static COUNTERS: &[&Counter] = &[&SETTLED, &FAILED];

/// Answers requests. Locks are held for matching and for writing, not while a job runs.
pub struct Auction {
    market: Mutex<Market>,
    ledger: Mutex<Ledger>,
    enclave: String,
}

impl Auction {
    pub fn new(ledger: Ledger, enclave: String) -> Self {
        Self { market: Mutex::new(Market::new()), ledger: Mutex::new(ledger), enclave }
    }

    /// Answers `settle` with a receipt, and `ledger` with the totals, followed by as many of the last lines as asked for.
    pub fn answer(&self, request: &Message) -> String {
        let answer = match request.text("verb") {
            Ok("settle") => {
                let settled = self.settle(request);
                let counter = if settled.is_ok() { &SETTLED } else { &FAILED };
                counter.count();
                settled.map(|receipt| receipt.to_string())
            }
            Ok("ledger") => self.show(request),
            Ok(verb) => Err(format!("\"verb\" is \"{verb}\", and settle or ledger are known")),
            Err(error) => Err(error),
        };
        answer.unwrap_or_else(|error| {
            log::warn(format_args!("refused: {request}: {error}"));
            Message::failure(&error).to_string()
        })
    }

    /// Waits for a settlement that is being written, lets no other one begin, and returns how many there are.
    pub fn close(&self) -> u64 {
        let ledger = guard(&self.ledger);
        let settlements = ledger.totals().settlements;
        // Every line is on the disk before its lock is given back: to hold the lock until the end is all it takes.
        std::mem::forget(ledger);
        settlements
    }

    fn settle(&self, request: &Message) -> Result<Message, String> {
        let job = request.text("job")?;
        let limit = request.number("limit")?;
        let budget = request.number_or("budget", u64::MAX)?;
        let units = limit.div_ceil(UNIT).max(1);

        let matched = guard(&self.market).take(units, budget)?;
        log::debug(format_args!("{job} goes to {} for {}", matched.provider, matched.cost()));
        let result = self.run(job, limit);
        guard(&self.market).give_back(&matched);
        self.record(job, limit, &matched, &result?)
    }

    fn run(&self, job: &str, limit: u64) -> Result<Message, String> {
        let answer = peer::ask("enclave", &self.enclave, &Message::new().with("job", job).with("limit", limit))?;
        if answer.is_ok() {
            Ok(answer)
        } else {
            Err(format!("the enclave did not run {job}: {}", answer.text("error").unwrap_or("it gave no reason")))
        }
    }

    fn record(&self, job: &str, limit: u64, matched: &Match, result: &Message) -> Result<Message, String> {
        let time = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
        let settlement = Message::new()
            .with("job", job)
            .with("provider", matched.provider)
            .with("units", matched.units)
            .with("paid", matched.cost())
            .with("limit", limit)
            .with("count", result.number("count")?)
            .with("sum", result.number("sum")?)
            .with("time", time);
        let settlement = guard(&self.ledger).append(settlement)?;
        log::info(format_args!("settled: {settlement}"));
        Ok(settlement.with("ok", true))
    }

    fn show(&self, request: &Message) -> Result<String, String> {
        let count = usize::try_from(request.number_or("last", 0)?).unwrap_or(AT_HAND);
        let ledger = guard(&self.ledger);
        let lines: Vec<_> = ledger.last(count).collect();
        let totals = ledger.totals();
        let head = Message::new()
            .with("ok", true)
            .with("settlements", totals.settlements)
            .with("units", totals.units)
            .with("paid", totals.paid)
            .with("lines", lines.len() as u64);
        Ok(std::iter::once(head.to_string().as_str()).chain(lines).collect::<Vec<_>>().join("\n"))
    }
}

/// The lock, also after a thread panicked while it held it: both market and ledger change in one step at the end.
fn guard<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use gix_common::server;
    use std::net::TcpListener;
    use std::path::PathBuf;

    struct Scene {
        auction: Auction,
        folder: PathBuf,
    }

    impl Scene {
        fn new(test: &str, enclave: String) -> Self {
            let folder = std::env::temp_dir().join(format!("gcam-auction-{}-{test}", std::process::id()));
            let _ = std::fs::remove_dir_all(&folder);
            Self { auction: Auction::new(Ledger::open(&folder).unwrap(), enclave), folder }
        }

        fn settle(&self, job: &str, limit: u64) -> Message {
            let request = Message::new().with("verb", "settle").with("job", job).with("limit", limit);
            Message::parse(&self.auction.answer(&request)).unwrap()
        }

        fn ledger(&self, last: u64) -> Vec<String> {
            let request = Message::new().with("verb", "ledger").with("last", last);
            self.auction.answer(&request).lines().map(String::from).collect()
        }
    }

    impl Drop for Scene {
        fn drop(&mut self) {
            let _ = std::fs::remove_dir_all(&self.folder);
        }
    }

    fn enclave(answer: Message) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        server::serve(listener, move |_| answer.to_string());
        address
    }

    fn working_enclave() -> String {
        enclave(Message::new().with("ok", true).with("count", 4).with("sum", 17))
    }

    #[test]
    fn a_job_that_ran_is_in_the_ledger_before_the_receipt_is_given() {
        let scene = Scene::new("ran", working_enclave());
        let receipt = scene.settle("a", 10);
        assert_eq!((receipt.text("provider"), receipt.number("paid")), (Ok("alder"), Ok(3)));
        assert_eq!((receipt.number("seq"), receipt.number("sum")), (Ok(1), Ok(17)));
        let line = std::fs::read_to_string(scene.folder.join("ledger.jsonl")).unwrap();
        assert_eq!(Message::parse(line.trim()).unwrap().with("ok", true), receipt);
    }

    #[test]
    fn a_job_is_priced_by_its_size() {
        let scene = Scene::new("priced", working_enclave());
        for (limit, provider, paid) in [(0, "alder", 3), (800_000, "alder", 24), (800_001, "birch", 45)] {
            let receipt = scene.settle("a", limit);
            assert_eq!((receipt.text("provider"), receipt.number("paid")), (Ok(provider), Ok(paid)));
        }
        assert!(scene.settle("a", u64::MAX).text("error").unwrap().contains("no provider has room"));
    }

    #[test]
    fn a_job_that_did_not_run_leaves_no_line_and_takes_no_room() {
        let down = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
        for (enclave, reason) in [
            (down.clone(), format!("the enclave at {down}")),
            (enclave(Message::failure("too hot")), "the enclave did not run a: too hot".into()),
            (enclave(Message::new().with("ok", true)), "\"count\"".into()),
        ] {
            let scene = Scene::new("not-run", enclave);
            for _ in 0..9 {
                let answer = scene.settle("a", 800_000);
                assert!(answer.text("error").unwrap().contains(&reason), "{answer}");
            }
            assert_eq!(scene.ledger(9), [r#"{"ok":true,"settlements":0,"units":0,"paid":0,"lines":0}"#]);
        }
    }

    #[test]
    fn the_ledger_is_shown_with_its_totals_first() {
        let scene = Scene::new("shown", working_enclave());
        for job in ["a", "b", "c"] {
            scene.settle(job, 10);
        }
        let lines = scene.ledger(2);
        assert_eq!(lines[0], r#"{"ok":true,"settlements":3,"units":3,"paid":9,"lines":2}"#);
        assert!(lines[1].contains("\"job\":\"b\"") && lines[2].contains("\"job\":\"c\""), "{lines:?}");
    }

    #[test]
    fn an_unknown_verb_is_named() {
        let scene = Scene::new("verb", working_enclave());
        assert!(scene.auction.answer(&Message::new().with("verb", "sell")).contains(r#"\"sell\""#));
        assert!(scene.auction.answer(&Message::new()).contains(r#"\"verb\" must be given"#));
    }
}
