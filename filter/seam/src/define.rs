//! How the lists of this package are written: each once, so that no member can be missing from one of its views.

/// An enum whose members have a number and a name.
macro_rules! numbered {
    (
        $(#[$meta:meta])*
        pub enum $enum:ident {
            $($(#[$doc:meta])* $member:ident = $number:literal, $name:literal;)+
        }
    ) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[repr(u32)]
        pub enum $enum {
            $($(#[$doc])* $member = $number,)+
        }

        impl $enum {
            /// All of them, in the order of their numbers.
            pub const ALL: [Self; [$($number),+].len()] = [$(Self::$member),+];

            /// The number that is passed for it.
            #[must_use]
            pub const fn number(self) -> u32 {
                self as u32
            }

            /// The one that this number is passed for.
            #[must_use]
            pub const fn from_number(number: u32) -> Option<Self> {
                match number {
                    $($number => Some(Self::$member),)+
                    _ => None,
                }
            }

            /// What it is called.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$member => $name,)+
                }
            }

            /// The one that is called this.
            #[must_use]
            pub fn from_name(name: &str) -> Option<Self> {
                Self::ALL.into_iter().find(|member| member.name() == name)
            }
        }
    };
}

/// Numbers, each a constant, and all of them as a list.
macro_rules! numbers {
    ($($(#[$doc:meta])* pub const $name:ident: $type:ty = $value:expr;)+) => {
        $($(#[$doc])* pub const $name: $type = $value;)+

        /// All numbers of this module by name.
        pub const ALL: &[(&str, u64)] = &[$((stringify!($name), $name as u64)),+];
    };
}
