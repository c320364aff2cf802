//! Macros for serializers that accept only some kinds of values and refuse all others.

/// Defines methods of a `Serializer` that refuse every value.
macro_rules! refuse {
    ($error:expr => $($method:ident($($ty:ty),*)),* $(,)?) => {
        $(fn $method(self, $(_: $ty),*) -> ::std::result::Result<Self::Ok, Self::Error> {
            Err($error)
        })*
    };
}

/// Defines the methods of a `Serializer` that refuse lists, tuples and variants with content, and that
/// serialize the content of options and newtypes.
macro_rules! refuse_lists_and_variants {
    ($error:expr) => {
        type SerializeSeq = ::serde::ser::Impossible<Self::Ok, Self::Error>;
        type SerializeTuple = ::serde::ser::Impossible<Self::Ok, Self::Error>;
        type SerializeTupleStruct = ::serde::ser::Impossible<Self::Ok, Self::Error>;
        type SerializeTupleVariant = ::serde::ser::Impossible<Self::Ok, Self::Error>;
        type SerializeStructVariant = ::serde::ser::Impossible<Self::Ok, Self::Error>;

        fn serialize_seq(self, _: Option<usize>) -> ::std::result::Result<Self::SerializeSeq, Self::Error> {
            Err($error)
        }
        fn serialize_tuple(self, _: usize) -> ::std::result::Result<Self::SerializeTuple, Self::Error> {
            Err($error)
        }
        fn serialize_tuple_struct(
            self,
            _: &'static str,
            _: usize,
        ) -> ::std::result::Result<Self::SerializeTupleStruct, Self::Error> {
            Err($error)
        }
        fn serialize_tuple_variant(
            self,
            _: &'static str,
            _: u32,
            _: &'static str,
            _: usize,
        ) -> ::std::result::Result<Self::SerializeTupleVariant, Self::Error> {
            Err($error)
        }
        fn serialize_struct_variant(
            self,
            _: &'static str,
            _: u32,
            _: &'static str,
            _: usize,
        ) -> ::std::result::Result<Self::SerializeStructVariant, Self::Error> {
            Err($error)
        }
        fn serialize_newtype_variant<T: ::serde::Serialize + ?Sized>(
            self,
            _: &'static str,
            _: u32,
            _: &'static str,
            _: &T,
        ) -> ::std::result::Result<Self::Ok, Self::Error> {
            Err($error)
        }
        fn serialize_some<T: ::serde::Serialize + ?Sized>(
            self,
            value: &T,
        ) -> ::std::result::Result<Self::Ok, Self::Error> {
            value.serialize(self)
        }
        fn serialize_newtype_struct<T: ::serde::Serialize + ?Sized>(
            self,
            _: &'static str,
            value: &T,
        ) -> ::std::result::Result<Self::Ok, Self::Error> {
            value.serialize(self)
        }
    };
}

/// Defines the methods of a `Serializer` that refuse maps and structs.
macro_rules! refuse_maps {
    ($error:expr) => {
        type SerializeMap = ::serde::ser::Impossible<Self::Ok, Self::Error>;
        type SerializeStruct = ::serde::ser::Impossible<Self::Ok, Self::Error>;

        fn serialize_map(self, _: Option<usize>) -> ::std::result::Result<Self::SerializeMap, Self::Error> {
            Err($error)
        }
        fn serialize_struct(
            self,
            _: &'static str,
            _: usize,
        ) -> ::std::result::Result<Self::SerializeStruct, Self::Error> {
            Err($error)
        }
    };
}

/// Defines the methods of a `Serializer` that refuse scalar values.
macro_rules! refuse_scalars {
    ($error:expr) => {
        $crate::foundation::refusal::refuse! { $error =>
            serialize_bool(bool),
            serialize_i8(i8),
            serialize_i16(i16),
            serialize_i32(i32),
            serialize_i64(i64),
            serialize_u8(u8),
            serialize_u16(u16),
            serialize_u32(u32),
            serialize_u64(u64),
            serialize_f32(f32),
            serialize_f64(f64),
            serialize_char(char),
            serialize_str(&str),
            serialize_bytes(&[u8]),
            serialize_none(),
            serialize_unit(),
            serialize_unit_struct(&'static str),
            serialize_unit_variant(&'static str, u32, &'static str),
        }
    };
}

pub(crate) use {refuse, refuse_lists_and_variants, refuse_maps, refuse_scalars};
