//! How far the gate goes at the moment.

use core::{fmt, str::FromStr};

/// How far the gate goes at the moment, by what it sees or because it was told; ordered.
///
/// | posture | it means | what the gate does |
/// |---|---|---|
/// | `Normal` | traffic is as usual | learns what is usual |
/// | `Elevated` | something is unusual | watches closely, learns nothing, tells |
/// | `Overload` | the service is busy, and nobody attacks it | sheds what is least important; refuses nobody for who it is |
/// | `Defend` | an attack | throttles and denies what it recognises; unknown clients share what the known ones leave |
/// | `Lockdown` | an attack that the service does not withstand | serves known clients and what is critical |
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum Posture {
    /// Traffic is as usual.
    #[default]
    Normal,
    /// Something is unusual.
    Elevated,
    /// The service is busy, and nobody attacks it.
    Overload,
    /// An attack.
    Defend,
    /// An attack that the service does not withstand.
    Lockdown,
}

impl Posture {
    /// All of them, in their order.
    pub const ALL: [Self; 5] =
        [Self::Normal, Self::Elevated, Self::Overload, Self::Defend, Self::Lockdown];

    /// The name, as rules and configurations write it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Normal => "normal",
            Self::Elevated => "elevated",
            Self::Overload => "overload",
            Self::Defend => "defend",
            Self::Lockdown => "lockdown",
        }
    }

    /// Its place in the order, which is its value in rules.
    pub(crate) const fn number(self) -> u8 {
        match self {
            Self::Normal => 0,
            Self::Elevated => 1,
            Self::Overload => 2,
            Self::Defend => 3,
            Self::Lockdown => 4,
        }
    }

    /// The one with this number; the highest, if there is none.
    pub(crate) const fn of_number(number: u8) -> Self {
        match number {
            0 => Self::Normal,
            1 => Self::Elevated,
            2 => Self::Overload,
            3 => Self::Defend,
            _ => Self::Lockdown,
        }
    }

    /// The next lower one.
    pub(crate) const fn lower(self) -> Self {
        Self::of_number(self.number().saturating_sub(1))
    }
}

impl fmt::Display for Posture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// A text is no posture.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("postures are normal, elevated, overload, defend and lockdown")]
pub struct PostureParseError(());

impl FromStr for Posture {
    type Err = PostureParseError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL.into_iter().find(|posture| posture.name() == text).ok_or(PostureParseError(()))
    }
}

#[cfg(test)]
mod tests {
    use std::string::ToString as _;

    use super::Posture;
    use crate::rule::POSTURES;

    #[test]
    fn rules_know_the_same_names_and_numbers() {
        for (posture, (name, number)) in Posture::ALL.into_iter().zip(POSTURES) {
            assert_eq!((posture.name(), i64::from(posture.number())), (*name, *number));
            assert_eq!(Posture::of_number(posture.number()), posture);
            assert_eq!(posture.to_string().parse(), Ok(posture));
        }
        assert!("Normal".parse::<Posture>().is_err());
    }

    #[test]
    fn normal_is_the_lowest() {
        assert_eq!(Posture::Normal.lower(), Posture::Normal);
        assert_eq!(Posture::Lockdown.lower(), Posture::Defend);
        assert!(Posture::Elevated < Posture::Overload && Posture::Overload < Posture::Defend);
    }
}
