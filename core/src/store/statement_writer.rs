//! Large objects into a backup: scripts of statements, one a line, that psql can run.

use crate::error::Result;
use crate::store::layout;
use crate::store::script;
use crate::store::seal::Seal;
use crate::store::wire_private;
use crate::store::writer::Writer;

/// A script ends at this compressed size …
const FULL: u64 = 16 << 20;

/// … or with so many large objects: a transaction holds a lock on each.
const OBJECTS: u64 = 1000;

/// What the large objects of a backup are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LargeObjectFacts {
    /// How many.
    pub count: u64,
    /// Size of their content.
    pub bytes: u64,
    /// Row hash over their pieces.
    pub hash: u128,
}

/// Takes the statements that make large objects.
pub struct StatementWriter<'a> {
    writer: &'a mut Writer,
    seal: Option<Seal>,
    scripts: u32,
    objects: u64,
}

impl Writer {
    /// Begins the large objects.
    pub fn large_objects(&mut self) -> StatementWriter<'_> {
        StatementWriter {
            writer: self,
            seal: None,
            scripts: 0,
            objects: 0,
        }
    }
}

impl StatementWriter<'_> {
    /// Begins another large object, with the statements that make it.
    pub fn object(&mut self, make: &[String]) -> Result<()> {
        if self.objects >= OBJECTS {
            self.end()?;
        }
        self.objects += 1;
        make.iter()
            .try_for_each(|statement| self.statement(statement))
    }

    /// Adds a statement, which is one line.
    pub fn statement(&mut self, statement: &str) -> Result<()> {
        let mut seal = match self.seal.take() {
            Some(seal) => seal,
            None => self.begin()?,
        };
        seal.write(statement.as_bytes())?;
        seal.write(b"\n")?;
        let full = seal.size() >= FULL;
        self.seal = Some(seal);
        if full { self.end() } else { Ok(()) }
    }

    fn begin(&self) -> Result<Seal> {
        let objects = &self.writer.objects;
        let mut seal = objects.begin(layout::large_objects(self.scripts, objects.codec()))?;
        seal.write(script::BEGIN_STATEMENTS.as_bytes())?;
        Ok(seal)
    }

    fn end(&mut self) -> Result<()> {
        let Some(mut seal) = self.seal.take() else {
            return Ok(());
        };
        seal.write(script::COMMIT.as_bytes())?;
        self.scripts += 1;
        self.objects = 0;
        self.writer.objects.end(seal)
    }

    /// Ends the last script, and notes what all of them hold.
    pub fn finish(mut self, facts: LargeObjectFacts) -> Result<()> {
        self.end()?;
        self.writer.large_objects = Some(facts);
        Ok(())
    }
}

/// The facts as they are stored.
pub fn to_wire(facts: LargeObjectFacts) -> wire_private::LargeObjects {
    wire_private::LargeObjects {
        count: facts.count,
        bytes: facts.bytes,
        hash: format!("{:032x}", facts.hash),
    }
}
