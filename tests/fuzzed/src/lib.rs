//! Stands in for `libfuzzer-sys`: the targets of the folder `fuzz` become functions of the bytes they are given, so that
//! every seed, and every input that has found something, is tried by any compiler and by `cargo test`.

pub use arbitrary;

/// Makes a target a function, `run`, of its input; what makes no value of the target's type is passed over, as there.
#[macro_export]
macro_rules! fuzz_target {
    (|$bytes:ident: &[u8]| $body:expr) => {
        /// Does with these bytes what the target does.
        pub fn run($bytes: &[u8]) {
            $body;
        }
    };
    (|$input:ident: $type:ty| $body:expr) => {
        /// Does with what these bytes make what the target does.
        pub fn run(bytes: &[u8]) {
            let given = $crate::arbitrary::Unstructured::new(bytes);
            let Ok($input) = <$type as $crate::arbitrary::Arbitrary>::arbitrary_take_rest(given)
            else {
                return;
            };
            $body;
        }
    };
}
