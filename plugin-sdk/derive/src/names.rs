//! Rust names into the names of the platforms: `battery_mv` -> `batteryMv`, `SetValve` -> `SET_VALVE`.

/// snake_case to lowerCamel.
pub(crate) fn lower_camel(snake: &str) -> String {
    let mut camel = String::with_capacity(snake.len());
    let mut raise = false;
    for letter in snake.chars() {
        if letter == '_' {
            raise = !camel.is_empty();
        } else if raise {
            camel.extend(letter.to_uppercase());
            raise = false;
        } else {
            camel.push(letter);
        }
    }
    camel
}

/// UpperCamel to SCREAMING_SNAKE.
pub(crate) fn screaming_snake(camel: &str) -> String {
    let mut snake = String::with_capacity(camel.len() + 4);
    for letter in camel.chars() {
        if letter.is_uppercase() && !snake.is_empty() {
            snake.push('_');
        }
        snake.extend(letter.to_uppercase());
    }
    snake
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_the_platforms() {
        assert_eq!(lower_camel("reading"), "reading");
        assert_eq!(lower_camel("serial_number"), "serialNumber");
        assert_eq!(lower_camel("flow_m3_h"), "flowM3H");
        assert_eq!(lower_camel("_level"), "level");
        assert_eq!(screaming_snake("SetValve"), "SET_VALVE");
        assert_eq!(screaming_snake("Reboot"), "REBOOT");
    }
}
