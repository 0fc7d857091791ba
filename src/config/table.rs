//! The macros that declare a table of the configuration. One entry declares one key:
//!
//! ```text
//! /// Documentation in Markdown, for the reference page, the configuration file and the field.
//! max_topics: usize as COUNT = 128, Live, NotZero("no client could subscribe");
//! ```
//!
//! The parts are the name, the type, the format in `value/`, the default, when a changed value
//! takes effect, and the bounds. The macros write the struct of the table, its defaults and its
//! keys. Constants, used on the main thread and the control thread.

/// Declares a table with a fixed default for each key. `table name: Type;` adds the struct of a
/// nested table, which is declared separately.
macro_rules! table {
    (
        $(#[doc = $about:literal])+
        $visibility:vis struct $Table:ident at $section:literal {
            $(
                $(#[doc = $doc:literal])+
                $field:ident: $Value:ty as $FORMAT:ident = $default:expr,
                $reload:ident $(, $bound:expr)*;
            )+
            $(table $inner:ident: $Inner:ty;)*
        }
    ) => {
        $(#[doc = $about])+
        #[derive(Clone, Debug, PartialEq, Eq)]
        $visibility struct $Table {
            $($(#[doc = $doc])+ pub $field: $Value,)+
            $(pub $inner: $Inner,)*
        }

        impl Default for $Table {
            fn default() -> Self {
                Self {
                    $($field: $default,)+
                    $($inner: <$Inner>::default(),)*
                }
            }
        }

        impl<R: $crate::config::key::HasTable<$Table> + 'static> $crate::config::key::Table<R>
            for $Table
        {
            const NAME: &'static str = $section;
            const DOC: &'static [&'static str] = &[$($about),+];
            const KEYS: &'static [$crate::config::key::Key<R>] = &[$(
                $crate::config::table::key!(
                    concat!($section, ".", stringify!($field)),
                    $Table.$field as $FORMAT,
                    $crate::config::key::KeyDefault::Fixed,
                    $reload, [$($bound),*], [$($doc),+]
                ),
            )+];
        }
    };
}

/// Declares a table that may be given several times, and whose keys may inherit their defaults from
/// another table. A default is `value(...)`, `inherits(table.key)` or `required("example")`.
macro_rules! repeated_table {
    (
        $(#[doc = $about:literal])+
        $visibility:vis struct $Table:ident at $section:literal inherits $parent:ident: $Parent:ty {
            $(
                $(#[doc = $doc:literal])+
                $field:ident: $Value:ty as $FORMAT:ident = $kind:ident $default:tt,
                $reload:ident $(, $bound:expr)*;
            )+
        }
    ) => {
        $(#[doc = $about])+
        #[derive(Clone, Debug, PartialEq, Eq)]
        $visibility struct $Table {
            $($(#[doc = $doc])+ pub $field: $Value,)+
        }

        impl $Table {
            /// Returns the table in which no key is given.
            pub(in crate::config) fn inherited($parent: &$Parent) -> Self {
                Self {
                    $($field: $crate::config::table::default_value!($kind $default),)+
                }
            }
        }

        impl<R: $crate::config::key::HasTable<$Table> + 'static> $crate::config::key::Table<R>
            for $Table
        {
            const NAME: &'static str = $section;
            const DOC: &'static [&'static str] = &[$($about),+];
            const KEYS: &'static [$crate::config::key::Key<R>] = &[$(
                $crate::config::table::key!(
                    stringify!($field),
                    $Table.$field as $FORMAT,
                    $crate::config::table::default_kind!($kind $default),
                    $reload, [$($bound),*], [$($doc),+]
                ),
            )+];
        }
    };
}

/// Writes one [`Key`](super::key::Key).
macro_rules! key {
    (
        $name:expr, $Table:ident.$field:ident as $FORMAT:ident, $default:expr,
        $reload:ident, [$($bound:expr),*], [$($doc:literal),+]
    ) => {
        $crate::config::key::Key {
            name: $name,
            format: $crate::config::value::$FORMAT.name,
            visibility: $crate::config::value::$FORMAT.visibility,
            default: $default,
            reload: $crate::config::key::Reload::$reload,
            doc: &[$($doc),+],
            range: || {
                $crate::config::bounds::describe(
                    &$crate::config::value::$FORMAT,
                    &[$($bound),*],
                )
            },
            set: |root, raw| {
                let table: &mut $Table = $crate::config::key::HasTable::table_mut(root);
                table.$field = ($crate::config::value::$FORMAT.read)(raw)?;
                Ok(())
            },
            show: |root| {
                let table: &$Table = $crate::config::key::HasTable::table(root);
                ($crate::config::value::$FORMAT.show)(&table.$field)
            },
            copy: |to, from| {
                let from: &$Table = $crate::config::key::HasTable::table(from);
                let to: &mut $Table = $crate::config::key::HasTable::table_mut(to);
                to.$field.clone_from(&from.$field);
            },
            is_same: |one, other| {
                let one: &$Table = $crate::config::key::HasTable::table(one);
                let other: &$Table = $crate::config::key::HasTable::table(other);
                one.$field == other.$field
            },
            check: $crate::config::table::bounds_check!(
                $name, $Table.$field as $FORMAT, [$($bound),*]
            ),
        }
    };
}

/// Writes the check of a key. Values without bounds need not be numbers.
macro_rules! bounds_check {
    ($name:expr, $Table:ident.$field:ident as $FORMAT:ident, []) => {
        |_| Ok(())
    };
    ($name:expr, $Table:ident.$field:ident as $FORMAT:ident, [$($bound:expr),+]) => {
        |root| {
            let table: &$Table = $crate::config::key::HasTable::table(root);
            $crate::config::bounds::check(
                $name,
                &table.$field,
                &$crate::config::value::$FORMAT,
                &[$($bound),+],
            )
        }
    };
}

/// The default of a key in a repeated table.
macro_rules! default_value {
    (value($default:expr)) => {
        $default
    };
    (inherits($source:ident.$inherited:ident)) => {
        Clone::clone(&$source.$inherited)
    };
    (required($example:literal)) => {
        Default::default()
    };
}

/// The [`KeyDefault`](super::key::KeyDefault) of a key in a repeated table.
macro_rules! default_kind {
    (value($default:expr)) => {
        $crate::config::key::KeyDefault::Fixed
    };
    (inherits($source:ident.$inherited:ident)) => {
        $crate::config::key::KeyDefault::Inherited(concat!(
            stringify!($source),
            ".",
            stringify!($inherited)
        ))
    };
    (required($example:literal)) => {
        $crate::config::key::KeyDefault::Required { example: $example }
    };
}

pub(super) use {bounds_check, default_kind, default_value, key, repeated_table, table};

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use crate::config::bounds::Bound::{AtMost, NotZero};
    use crate::config::contradiction::Contradiction;
    use crate::config::key::{Key, KeyDefault, Reload, Table};
    use crate::config::value::RawValue;

    table! {
        /// An example.
        pub(super) struct Example at "example" {
            /// How long to wait.
            wait: Duration as DURATION = Duration::from_secs(5), Live,
                NotZero("nothing would happen"), AtMost(Duration::from_secs(60));
        }
    }

    repeated_table! {
        /// A repeated example.
        pub(super) struct Item at "item" inherits example: Example {
            /// Its name.
            name: String as NAME = required("first"), Live;
            /// How long this item waits.
            wait: Duration as DURATION = inherits(example.wait), Restart;
        }
    }

    #[test]
    fn one_entry_declares_all_that_is_known_of_a_key() {
        let [key] = <Example as Table<Example>>::KEYS else {
            panic!("the table has one key");
        };
        assert_eq!((key.name, key.format), ("example.wait", "duration"));
        assert_eq!(key.reload, Reload::Live);
        assert_eq!(key.doc(), "How long to wait.");
        assert_eq!((key.range)(), "above 0, at most 1m");

        let mut example = Example::default();
        assert_eq!((key.show)(&example), "5s");
        (key.set)(&mut example, &RawValue::from_text("2m")).expect("the value is valid");
        assert_eq!(example.wait, Duration::from_secs(120));
        assert!(!(key.is_same)(&example, &Example::default()));
        assert!(matches!(
            (key.check)(&example),
            Err(Contradiction::Ceiling {
                key: "example.wait",
                ..
            })
        ));
        let mut copy = Example::default();
        (key.copy)(&mut copy, &example);
        assert_eq!(copy, example);
        let error = (key.set)(&mut example, &RawValue::Bool(true));
        assert!(error.is_err_and(|text| text.contains("a duration such as")));
    }

    #[test]
    fn a_key_of_a_repeated_table_is_one_entry_too() {
        let keys: &[Key<Item>] = Item::KEYS;
        let kinds: Vec<_> = keys.iter().map(|key| (key.name, key.default)).collect();
        let required = KeyDefault::Required { example: "first" };
        let inherited = KeyDefault::Inherited("example.wait");
        assert_eq!(kinds, [("name", required), ("wait", inherited)]);
        let item = Item::inherited(&Example::default());
        assert_eq!((keys[1].show)(&item), "5s");
        assert_eq!(keys[1].reload, Reload::Restart);
    }
}
