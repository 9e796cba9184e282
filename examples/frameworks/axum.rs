//! A placeholder until the library's side stands.
fn main() {}
