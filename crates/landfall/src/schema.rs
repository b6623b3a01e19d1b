use landfall_table::{Dialect, ddl, describe};

pub(crate) fn print(dialect: Option<Dialect>, uri: &str) {
    match dialect {
        Some(dialect) => println!("{}", ddl(dialect, uri).trim_end()),
        None => println!("{}", describe().trim_end()),
    }
}
