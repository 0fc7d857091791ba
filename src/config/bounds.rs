//! Bounds of single values. Checked on the main thread at start and on the control thread at a
//! reload, after all sources have been read.

use std::time::Duration;

use super::contradiction::Contradiction;
use super::value::ValueFormat;

/// A bound of one value.
pub(super) enum Bound<T> {
    /// The value must not be 0, for this reason.
    NotZero(&'static str),
    AtLeast(T),
    AtMost(T),
}

/// Values that bounds apply to.
pub(super) trait Quantity: PartialOrd {
    fn is_zero(&self) -> bool;
}

impl Quantity for usize {
    fn is_zero(&self) -> bool {
        *self == 0
    }
}

impl Quantity for u32 {
    fn is_zero(&self) -> bool {
        *self == 0
    }
}

impl Quantity for Duration {
    fn is_zero(&self) -> bool {
        Self::is_zero(self)
    }
}

/// A value that may be `off` or `auto`, which is not 0.
impl<T: Quantity> Quantity for Option<T> {
    fn is_zero(&self) -> bool {
        self.as_ref().is_some_and(Quantity::is_zero)
    }
}

/// Checks the value of `key`.
pub(super) fn check<T: Quantity>(
    key: &'static str,
    value: &T,
    format: &ValueFormat<T>,
    bounds: &[Bound<T>],
) -> Result<(), Contradiction> {
    let show = format.show;
    for bound in bounds {
        match bound {
            Bound::NotZero(why) if value.is_zero() => {
                return Err(Contradiction::Zero { key, why });
            }
            Bound::AtLeast(minimum) if value < minimum => {
                return Err(Contradiction::BelowMinimum {
                    key,
                    value: show(value),
                    minimum: show(minimum),
                });
            }
            Bound::AtMost(ceiling) if value > ceiling => {
                return Err(Contradiction::Ceiling {
                    key,
                    value: show(value),
                    ceiling: show(ceiling),
                });
            }
            Bound::NotZero(_) | Bound::AtLeast(_) | Bound::AtMost(_) => {}
        }
    }
    Ok(())
}

/// Describes bounds for the reference page: `above 0, at most 16MiB`.
pub(super) fn describe<T>(format: &ValueFormat<T>, bounds: &[Bound<T>]) -> String {
    let bounds: Vec<_> = bounds
        .iter()
        .map(|bound| match bound {
            Bound::NotZero(_) => "above 0".into(),
            Bound::AtLeast(minimum) => format!("at least {}", (format.show)(minimum)),
            Bound::AtMost(ceiling) => format!("at most {}", (format.show)(ceiling)),
        })
        .collect();
    bounds.join(", ")
}
