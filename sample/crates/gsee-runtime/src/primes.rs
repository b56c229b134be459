//! The work of a job: how many primes there are up to a limit, and their sum.

/// The largest limit: a tenth of a second and ten megabytes.
const MOST: u64 = 10_000_000;

/// Count and sum of the primes up to and including `limit`, by the sieve of Eratosthenes.
pub fn up_to(limit: u64) -> Result<(u64, u64), String> {
    let size = usize::try_from(limit).ok().filter(|_| limit <= MOST);
    let size = size.ok_or_else(|| format!("\"limit\" is {limit}, and at most {MOST}"))?;
    let mut composite = vec![false; size + 1];
    let (mut count, mut sum) = (0, 0);
    for number in 2..=size {
        if composite[number] {
            continue;
        }
        count += 1;
        sum += number as u64;
        for multiple in (number * number..=size).step_by(number) {
            composite[multiple] = true;
        }
    }
    Ok((count, sum))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_counts_and_sums() {
        for (limit, expected) in [
            (0, (0, 0)),
            (1, (0, 0)),
            (2, (1, 2)),
            (10, (4, 17)),
            (1_000_000, (78_498, 37_550_402_023)),
            (MOST, (664_579, 3_203_324_994_356)),
        ] {
            assert_eq!(up_to(limit), Ok(expected), "{limit}");
        }
    }

    #[test]
    fn more_than_the_most_is_refused() {
        assert!(up_to(MOST + 1).is_err());
    }
}
