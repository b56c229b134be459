//! The ledger: `ledger.jsonl`, one line of JSON per settlement, numbered from 1 without a gap, only ever appended to.
//!
//! A settlement counts from the moment when its line is on the disk, with its newline. A crash can leave a part of a line
//! at the end. Its settlement was never confirmed, so that it is cut off when the ledger is opened.

use std::collections::VecDeque;
use std::fs::{self, File, OpenOptions};
use std::io::{self, BufRead, BufReader, Write};
use std::path::{Path, PathBuf};

use gix_proto::Settlement;
use rustix::fs::{flock, FlockOperation};
use rustix::io::Errno;

/// How many of the last settlements are kept in memory.
pub const IN_MEMORY: usize = 100;

/// Sums over all settlements.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    pub settlements: u64,
    pub units: u64,
    pub paid: u64,
}

/// The open ledger. Its file is locked as long as it is open: the kernel releases the lock however the process ends.
#[derive(Debug)]
pub struct Ledger {
    path: PathBuf,
    file: File,
    length: u64,
    totals: Totals,
    last: VecDeque<Settlement>,
}

impl Ledger {
    /// Opens the ledger of a folder. Folder and ledger are made if they do not exist.
    pub fn open(folder: &Path) -> Result<Self, String> {
        let path = folder.join("ledger.jsonl");
        let failed = |what: &str, error: io::Error| {
            format!(
                "the ledger {} cannot be {what}: {error}; GIX_DATA_DIR must be a folder that this user can write to",
                path.display()
            )
        };
        fs::create_dir_all(folder).map_err(|error| failed("opened", error))?;
        let file = OpenOptions::new().read(true).append(true).create(true).open(&path);
        let file = file.map_err(|error| failed("opened", error))?;
        flock(&file, FlockOperation::NonBlockingLockExclusive).map_err(|error| match error {
            Errno::WOULDBLOCK => {
                format!("another auction has the ledger {} open; a ledger belongs to one auction", path.display())
            }
            _ => failed("locked", error.into()),
        })?;
        File::open(folder).and_then(|folder| folder.sync_all()).map_err(|error| failed("saved", error))?;
        let mut ledger = Self { path: path.clone(), file, length: 0, totals: Totals::default(), last: VecDeque::new() };
        ledger.read()?;
        let length = ledger.file.metadata().map_err(|error| failed("read", error))?.len();
        if length > ledger.length {
            ledger.cut().map_err(|error| failed("repaired", error))?;
            let surplus = length - ledger.length;
            tracing::warn!("cut {surplus} bytes of an unfinished line off the ledger {}", path.display());
        }
        Ok(ledger)
    }

    /// Reads every whole line. `length` is the end of the last one then.
    fn read(&mut self) -> Result<(), String> {
        let mut reader = BufReader::new(self.file.try_clone().map_err(|error| error.to_string())?);
        let mut bytes = Vec::new();
        loop {
            bytes.clear();
            reader.read_until(b'\n', &mut bytes).map_err(|error| format!("the ledger cannot be read: {error}"))?;
            let Some(line) = bytes.strip_suffix(b"\n") else { return Ok(()) };
            let settlement = self.parse(line).map_err(|reason| {
                let (number, path) = (self.totals.settlements + 1, self.path.display());
                format!("line {number} of the ledger {path} is damaged: {reason}; restore it from a backup")
            })?;
            self.count(settlement, bytes.len());
        }
    }

    fn parse(&self, line: &[u8]) -> Result<Settlement, String> {
        let settlement: Settlement = serde_json::from_slice(line).map_err(|error| error.to_string())?;
        if settlement.seq == self.totals.settlements + 1 {
            Ok(settlement)
        } else {
            Err("its number is not the next one".into())
        }
    }

    /// Numbers a settlement, and returns it once it is on the disk. After an error the ledger is as it was before.
    pub fn append(&mut self, mut settlement: Settlement) -> Result<Settlement, String> {
        settlement.seq = self.totals.settlements + 1;
        let mut line = serde_json::to_vec(&settlement).map_err(|error| error.to_string())?;
        line.push(b'\n');
        if let Err(error) = self.file.write_all(&line).and_then(|()| self.file.sync_data()) {
            let reason = format!("the ledger {} cannot be written: {error}", self.path.display());
            if let Err(error) = self.cut() {
                // What the file holds is unknown now. The next start reads it, and cuts off what is not whole.
                tracing::error!("{reason}, and cannot be repaired: {error}");
                std::process::exit(1);
            }
            return Err(reason);
        }
        self.count(settlement.clone(), line.len());
        Ok(settlement)
    }

    /// Cuts off what follows the last whole line.
    fn cut(&self) -> io::Result<()> {
        self.file.set_len(self.length)?;
        self.file.sync_all()
    }

    fn count(&mut self, settlement: Settlement, length: usize) {
        self.length += length as u64;
        self.totals.settlements += 1;
        self.totals.units = self.totals.units.saturating_add(settlement.units);
        self.totals.paid = self.totals.paid.saturating_add(settlement.paid);
        if self.last.len() == IN_MEMORY {
            self.last.pop_front();
        }
        self.last.push_back(settlement);
    }

    pub fn totals(&self) -> Totals {
        self.totals
    }

    /// The last settlements, oldest first: `count` of them, but no more than are in memory.
    pub fn last(&self, count: usize) -> impl Iterator<Item = &Settlement> {
        self.last.iter().skip(self.last.len().saturating_sub(count))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A folder of one test's own, removed at its end.
    struct Folder(PathBuf);

    impl Folder {
        fn new(test: &str) -> Self {
            let path = std::env::temp_dir().join(format!("gcam-node-{}-{test}", std::process::id()));
            let _ = fs::remove_dir_all(&path);
            Self(path)
        }

        fn open(&self) -> Ledger {
            Ledger::open(&self.0).unwrap()
        }

        fn file(&self) -> PathBuf {
            self.0.join("ledger.jsonl")
        }

        fn add(&self, bytes: &[u8]) {
            OpenOptions::new().append(true).open(self.file()).unwrap().write_all(bytes).unwrap();
        }
    }

    impl Drop for Folder {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    fn settlement(job: &str) -> Settlement {
        Settlement { job: job.into(), units: 2, paid: 6, ..Settlement::default() }
    }

    /// The line of a settlement, without its newline.
    fn line(job: &str, seq: u64) -> String {
        serde_json::to_string(&Settlement { seq, ..settlement(job) }).unwrap()
    }

    #[test]
    fn settlements_outlive_the_process_and_the_numbers_go_on() {
        let folder = Folder::new("outlive");
        let mut ledger = folder.open();
        assert_eq!(ledger.append(settlement("a")).unwrap().seq, 1);
        assert_eq!(ledger.append(settlement("b")).unwrap().seq, 2);
        drop(ledger);

        let mut ledger = folder.open();
        assert_eq!(ledger.totals(), Totals { settlements: 2, units: 4, paid: 12 });
        assert_eq!(ledger.append(settlement("c")).unwrap().seq, 3);
        assert_eq!(fs::read_to_string(folder.file()).unwrap().lines().count(), 3);
    }

    #[test]
    fn an_unfinished_line_is_cut_off() {
        for rest in [&b"{\"job\":\"b\",\"uni"[..], line("b", 2).as_bytes(), b"\0\0\0", b"\xff"] {
            let folder = Folder::new("unfinished");
            folder.open().append(settlement("a")).unwrap();
            let whole = fs::read(folder.file()).unwrap();
            folder.add(rest);

            let mut ledger = folder.open();
            assert_eq!(fs::read(folder.file()).unwrap(), whole);
            assert_eq!(ledger.append(settlement("b")).unwrap().seq, 2);
        }
    }

    #[test]
    fn a_damaged_line_is_named_and_nothing_is_changed() {
        for bad in ["nonsense\n".into(), "\n".into(), line("b", 3) + "\n", "{\"seq\":2}\n".into()] {
            let folder = Folder::new("damaged");
            folder.open().append(settlement("a")).unwrap();
            folder.add(bad.as_bytes());
            let before = fs::read(folder.file()).unwrap();

            let error = Ledger::open(&folder.0).unwrap_err();
            assert!(error.contains("line 2 of the ledger"), "{bad}: {error}");
            assert_eq!(fs::read(folder.file()).unwrap(), before);
        }
    }

    #[test]
    fn a_second_auction_is_refused_as_long_as_the_first_one_lives() {
        let folder = Folder::new("second");
        let first = folder.open();
        let error = Ledger::open(&folder.0).unwrap_err();
        assert!(error.contains("another auction has the ledger"), "{error}");
        drop(first);
        folder.open();
    }

    #[test]
    fn a_folder_that_cannot_be_made_is_named() {
        let error = Ledger::open(Path::new("/dev/null/data")).unwrap_err();
        assert!(error.contains("/dev/null/data/ledger.jsonl") && error.contains("GIX_DATA_DIR"), "{error}");
    }

    #[test]
    fn the_last_settlements_are_in_memory_before_and_after_a_restart() {
        let folder = Folder::new("last");
        let mut ledger = folder.open();
        for index in 0..IN_MEMORY + 5 {
            ledger.append(settlement(&index.to_string())).unwrap();
        }
        let last: Vec<_> = ledger.last(2).cloned().collect();
        assert_eq!((last.len(), last[1].seq), (2, 105));
        assert_eq!(ledger.last(usize::MAX).count(), IN_MEMORY);
        drop(ledger);
        assert_eq!(folder.open().last(2).cloned().collect::<Vec<_>>(), last);
    }
}
