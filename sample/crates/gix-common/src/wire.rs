//! The wire and ledger format: one flat JSON object on one line, with text, whole numbers and true/false as values.

use std::fmt::{self, Display, Write};

/// A value of a [`Message`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// A string.
    Text(String),
    /// A whole number, zero or more.
    Number(u64),
    /// True or false.
    Flag(bool),
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::Text(text.into())
    }
}

impl From<u64> for Value {
    fn from(number: u64) -> Self {
        Self::Number(number)
    }
}

impl From<bool> for Value {
    fn from(flag: bool) -> Self {
        Self::Flag(flag)
    }
}

/// One line: keys with values, in order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Message(Vec<(String, Value)>);

impl Message {
    /// An empty message.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The answer to a request that failed.
    #[must_use]
    pub fn failure(reason: &str) -> Self {
        Self::new().with("ok", false).with("error", reason)
    }

    /// The same message with one more value, which takes the place of an older one of that key.
    #[must_use]
    pub fn with(mut self, key: &str, value: impl Into<Value>) -> Self {
        self.0.retain(|(k, _)| k != key);
        self.0.push((key.into(), value.into()));
        self
    }

    /// The value of a key, if there is one.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&Value> {
        self.0.iter().find(|(k, _)| k == key).map(|(_, value)| value)
    }

    /// A text that must be there.
    ///
    /// # Errors
    /// A sentence that names the key.
    pub fn text(&self, key: &str) -> Result<&str, String> {
        match self.get(key) {
            Some(Value::Text(text)) => Ok(text),
            _ => Err(format!("\"{key}\" must be given, as text")),
        }
    }

    /// A number that must be there.
    ///
    /// # Errors
    /// A sentence that names the key.
    pub fn number(&self, key: &str) -> Result<u64, String> {
        match self.get(key) {
            Some(Value::Number(number)) => Ok(*number),
            _ => Err(format!("\"{key}\" must be given, as a whole number")),
        }
    }

    /// A number, or a default where the key is missing.
    ///
    /// # Errors
    /// A sentence that names the key, if it is there and no number.
    pub fn number_or(&self, key: &str, default: u64) -> Result<u64, String> {
        self.get(key).map_or(Ok(default), |_| self.number(key))
    }

    /// Whether this is the answer to a request that went well.
    #[must_use]
    pub fn is_ok(&self) -> bool {
        self.get("ok") == Some(&Value::Flag(true))
    }

    /// Reads one line.
    ///
    /// # Errors
    /// A sentence that says what was expected, and at which byte.
    pub fn parse(line: &str) -> Result<Self, String> {
        let mut reader = Reader { line, at: 0 };
        let message = reader.object()?;
        reader.skip_space();
        if reader.at < line.len() {
            return Err(reader.wanted("the end of the line"));
        }
        Ok(message)
    }
}

impl Display for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_char('{')?;
        for (index, (key, value)) in self.0.iter().enumerate() {
            if index > 0 {
                f.write_char(',')?;
            }
            write_text(f, key)?;
            f.write_char(':')?;
            match value {
                Value::Text(text) => write_text(f, text)?,
                Value::Number(number) => write!(f, "{number}")?,
                Value::Flag(flag) => write!(f, "{flag}")?,
            }
        }
        f.write_char('}')
    }
}

fn write_text(f: &mut fmt::Formatter<'_>, text: &str) -> fmt::Result {
    f.write_char('"')?;
    for c in text.chars() {
        match c {
            '"' => f.write_str("\\\"")?,
            '\\' => f.write_str("\\\\")?,
            '\n' => f.write_str("\\n")?,
            c if c < ' ' => write!(f, "\\u{:04x}", u32::from(c))?,
            c => f.write_char(c)?,
        }
    }
    f.write_char('"')
}

struct Reader<'a> {
    line: &'a str,
    at: usize,
}

impl Reader<'_> {
    fn object(&mut self) -> Result<Message, String> {
        let mut message = Message::new();
        self.expect('{')?;
        if self.take('}') {
            return Ok(message);
        }
        loop {
            let key = self.text()?;
            self.expect(':')?;
            let value = self.value()?;
            message = message.with(&key, value);
            if self.take('}') {
                return Ok(message);
            }
            self.expect(',')?;
        }
    }

    fn value(&mut self) -> Result<Value, String> {
        self.skip_space();
        let rest = &self.line[self.at..];
        for (word, flag) in [("true", true), ("false", false)] {
            if rest.starts_with(word) {
                self.at += word.len();
                return Ok(Value::Flag(flag));
            }
        }
        if rest.starts_with('"') {
            return self.text().map(Value::Text);
        }
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        let number = rest[..digits].parse();
        let number = number.map_err(|_| self.wanted("text, a whole number, true or false"))?;
        self.at += digits;
        Ok(Value::Number(number))
    }

    fn text(&mut self) -> Result<String, String> {
        self.expect('"')?;
        let mut text = String::new();
        loop {
            match self.next()? {
                '"' => return Ok(text),
                '\\' => text.push(self.escape()?),
                c => text.push(c),
            }
        }
    }

    fn escape(&mut self) -> Result<char, String> {
        Ok(match self.next()? {
            'n' => '\n',
            'r' => '\r',
            't' => '\t',
            'b' => '\u{8}',
            'f' => '\u{c}',
            'u' => {
                let mut unit = self.code_unit()?;
                if (0xD800..0xDC00).contains(&unit) && self.take('\\') && self.take('u') {
                    let low = self.code_unit()?.wrapping_sub(0xDC00) & 0x3FF;
                    unit = 0x1_0000 + ((unit - 0xD800) << 10) + low;
                }
                char::from_u32(unit).ok_or_else(|| self.wanted("a Unicode character"))?
            }
            c @ ('"' | '\\' | '/') => c,
            _ => return Err(self.wanted("an escape that JSON knows")),
        })
    }

    fn code_unit(&mut self) -> Result<u32, String> {
        let digits = self.line.get(self.at..self.at + 4);
        let unit = digits.and_then(|digits| u32::from_str_radix(digits, 16).ok());
        let unit = unit.ok_or_else(|| self.wanted("four hexadecimal digits"))?;
        self.at += 4;
        Ok(unit)
    }

    fn next(&mut self) -> Result<char, String> {
        let next = self.line[self.at..].chars().next();
        let next = next.ok_or_else(|| self.wanted("a closing quotation mark"))?;
        self.at += next.len_utf8();
        Ok(next)
    }

    fn skip_space(&mut self) {
        let rest = &self.line[self.at..];
        self.at += rest.len() - rest.trim_start().len();
    }

    fn take(&mut self, wanted: char) -> bool {
        self.skip_space();
        let found = self.line[self.at..].starts_with(wanted);
        self.at += usize::from(found);
        found
    }

    fn expect(&mut self, wanted: char) -> Result<(), String> {
        if self.take(wanted) {
            Ok(())
        } else {
            Err(self.wanted(&format!("'{wanted}'")))
        }
    }

    fn wanted(&self, what: &str) -> String {
        format!("not a flat JSON object: {what} is expected at byte {}", self.at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_reads_back() {
        let message = Message::new().with("job", "a \"b\" \\ \n\u{1} – 🦀").with("limit", u64::MAX).with("ok", true);
        assert_eq!(Message::parse(&message.to_string()), Ok(message));
    }

    #[test]
    fn what_other_writers_write_is_read() {
        let message = Message::parse(r#" { "job" : "\u0061\ud83e\udd80\/" , "limit" : 7 } "#).unwrap();
        assert_eq!(message.text("job"), Ok("a🦀/"));
        assert_eq!(message.number("limit"), Ok(7));
        assert_eq!(Message::parse("{}"), Ok(Message::new()));
    }

    #[test]
    fn a_bad_line_is_an_error_that_says_where() {
        for line in [
            "",
            "job",
            "{",
            r#"{"a"}"#,
            r#"{"a":}"#,
            r#"{"a":-1}"#,
            r#"{"a":1.5}"#,
            r#"{"a":[1]}"#,
            r#"{"a":99999999999999999999}"#,
            r#"{"a":"\x"}"#,
            r#"{"a":"\ud83e"}"#,
            r#"{"a":"\u00é"}"#,
            r#"{"a":"b"#,
            r#"{"a":1,}"#,
            r#"{"a":1} x"#,
            "GET / HTTP/1.1",
        ] {
            let error = Message::parse(line).unwrap_err();
            assert!(error.contains("at byte"), "{line}: {error}");
        }
    }

    #[test]
    fn a_missing_value_is_named() {
        let message = Message::new().with("limit", "many");
        assert!(message.text("job").unwrap_err().contains("\"job\""));
        assert!(message.number("limit").unwrap_err().contains("\"limit\""));
        assert!(message.number_or("limit", 1).is_err());
        assert_eq!(message.number_or("budget", 1), Ok(1));
    }
}
