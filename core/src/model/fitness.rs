//! Whether a database is fit for a change now.

/// How a check came out, best first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Light {
    /// As it should be.
    Green,
    /// To be looked at; or it can't be told.
    Amber,
    /// In the way.
    Red,
}

impl Light {
    /// The stable word for machines.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Green => "green",
            Self::Amber => "amber",
            Self::Red => "red",
        }
    }
}

/// One thing that was looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Check {
    /// The stable word for it.
    pub id: &'static str,
    /// How it came out.
    pub light: Light,
    /// What was found.
    pub found: String,
    /// What to do, unless it is green.
    pub advice: Option<String>,
}

impl Check {
    /// It is as it should be.
    pub fn green(id: &'static str, found: impl Into<String>) -> Self {
        Self {
            id,
            light: Light::Green,
            found: found.into(),
            advice: None,
        }
    }

    /// It is to be looked at.
    pub fn amber(id: &'static str, found: impl Into<String>, advice: impl Into<String>) -> Self {
        Self {
            id,
            light: Light::Amber,
            found: found.into(),
            advice: Some(advice.into()),
        }
    }

    /// It is in the way.
    pub fn red(id: &'static str, found: impl Into<String>, advice: impl Into<String>) -> Self {
        Self {
            light: Light::Red,
            ..Self::amber(id, found, advice)
        }
    }
}
