//! The interpreter behind codecs without code. `codecgate` carries it, finished, and writes a layout into its slot: the result is
//! an ordinary component (`plugin-sdk/LAYOUTS.md`). All of it is in the SDK, where it is tested natively.

codecgate_sdk::export_interpreter!();
