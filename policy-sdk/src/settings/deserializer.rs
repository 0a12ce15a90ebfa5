//! Reads a JSON text as what serde describes.
//!
//! A reader of our own, because `serde_json` was half of a small policy (70 KB of module against 33): it brings tables for
//! floating point and both shapes of every structure into each module, and its errors have a line and a column where an
//! operator wants a pointer. Here a float is read only where the settings have one.

use super::error::Error;
use super::json::{Reader, Token};
use crate::Problem;
use serde::de::value::StringDeserializer;
use serde::de::{
    self, DeserializeOwned, DeserializeSeed, Deserializer, EnumAccess, IntoDeserializer, MapAccess,
    SeqAccess, VariantAccess, Visitor,
};

/// Reads the whole of `text`.
pub(super) fn read<T: DeserializeOwned>(text: &str) -> Result<T, Problem> {
    let mut reader = Reader::new(text);
    let value = T::deserialize(&mut reader)?;
    reader.end()?;
    Ok(value)
}

/// What each kind of type may be read from. Only that is offered to its visitor, so only that is compiled: a structure,
/// for one, is an object and never an array.
impl Reader<'_> {
    fn null<'de, V: Visitor<'de>>(&mut self, visitor: V) -> Result<V::Value, Error> {
        match self.token()? {
            Token::Null => visitor.visit_unit(),
            other => Err(other.mismatch(&visitor)),
        }
    }

    fn boolean<'de, V: Visitor<'de>>(&mut self, visitor: V) -> Result<V::Value, Error> {
        match self.token()? {
            Token::Boolean(boolean) => visitor.visit_bool(boolean),
            other => Err(other.mismatch(&visitor)),
        }
    }

    fn integer<'de, V: Visitor<'de>>(&mut self, visitor: V) -> Result<V::Value, Error> {
        match self.token()? {
            Token::Unsigned(integer) => visitor.visit_u64(integer),
            Token::Signed(integer) => visitor.visit_i64(integer),
            other => Err(other.mismatch(&visitor)),
        }
    }

    fn text<'de, V: Visitor<'de>>(&mut self, visitor: V) -> Result<V::Value, Error> {
        match self.token()? {
            Token::Text(text) => visitor.visit_string(text),
            other => Err(other.mismatch(&visitor)),
        }
    }

    fn array<'de, V: Visitor<'de>>(&mut self, visitor: V) -> Result<V::Value, Error> {
        match self.token()? {
            Token::Array => self.elements(visitor),
            other => Err(other.mismatch(&visitor)),
        }
    }

    fn object<'de, V: Visitor<'de>>(&mut self, visitor: V) -> Result<V::Value, Error> {
        match self.token()? {
            Token::Object => self.members(visitor),
            other => Err(other.mismatch(&visitor)),
        }
    }

    fn anything<'de, V: Visitor<'de>>(
        &mut self,
        visitor: V,
        float: impl FnOnce(&str, V) -> Result<V::Value, Error>,
    ) -> Result<V::Value, Error> {
        match self.token()? {
            Token::Null => visitor.visit_unit(),
            Token::Boolean(boolean) => visitor.visit_bool(boolean),
            Token::Unsigned(integer) => visitor.visit_u64(integer),
            Token::Signed(integer) => visitor.visit_i64(integer),
            Token::Float(number) => float(number, visitor),
            Token::Text(text) => visitor.visit_string(text),
            Token::Array => self.elements(visitor),
            Token::Object => self.members(visitor),
        }
    }

    fn elements<'de, V: Visitor<'de>>(&mut self, visitor: V) -> Result<V::Value, Error> {
        let value = visitor.visit_seq(Elements { reader: self, index: 0 })?;
        self.close("]")?;
        Ok(value)
    }

    fn members<'de, V: Visitor<'de>>(&mut self, visitor: V) -> Result<V::Value, Error> {
        let value = visitor.visit_map(Members { reader: self, name: None })?;
        self.close("}")?;
        Ok(value)
    }
}

macro_rules! read_as {
    ($($kind:ident: $($method:ident($($hint:ty),*))*;)*) => {$($(
        fn $method<V: Visitor<'de>>(self, $(_: $hint,)* visitor: V) -> Result<V::Value, Error> {
            self.$kind(visitor)
        }
    )*)*};
}

impl<'de> Deserializer<'de> for &mut Reader<'_> {
    type Error = Error;

    read_as! {
        null: deserialize_unit() deserialize_unit_struct(&'static str);
        boolean: deserialize_bool();
        integer: deserialize_i8() deserialize_i16() deserialize_i32() deserialize_i64()
            deserialize_u8() deserialize_u16() deserialize_u32() deserialize_u64();
        text: deserialize_char() deserialize_str() deserialize_string() deserialize_identifier();
        array: deserialize_seq() deserialize_tuple(usize) deserialize_tuple_struct(&'static str, usize);
        object: deserialize_map() deserialize_struct(&'static str, &'static [&'static str]);
    }

    serde::forward_to_deserialize_any! { f32 f64 bytes byte_buf }

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.anything(visitor, |number, visitor| match number.parse() {
            Ok(float) if f64::is_finite(float) => visitor.visit_f64(float),
            _ => Err(Token::Float(number).mismatch(&visitor)),
        })
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.anything(visitor, |_, visitor| visitor.visit_unit())
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self.peek() {
            Some('n') => self.expect("null").and_then(|()| visitor.visit_none()),
            _ => visitor.visit_some(self),
        }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Error> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        match self.token()? {
            Token::Text(name) => {
                let name: StringDeserializer<Error> = name.into_deserializer();
                visitor.visit_enum(name)
            }
            Token::Object => {
                let variant = Variant { name: self.peek_name()?, reader: self };
                let value = visitor.visit_enum(variant)?;
                self.close("}")?;
                Ok(value)
            }
            other => Err(other.mismatch(&visitor)),
        }
    }
}

/// What is between `[` and `]`.
struct Elements<'r, 't> {
    reader: &'r mut Reader<'t>,
    index: usize,
}

impl<'de> SeqAccess<'de> for Elements<'_, '_> {
    type Error = Error;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, Error> {
        if !self.reader.another(']', self.index == 0)? {
            return Ok(None);
        }
        let element =
            seed.deserialize(&mut *self.reader).map_err(|error| error.inside(&self.index.to_string()))?;
        self.index = self.index.saturating_add(1);
        Ok(Some(element))
    }
}

/// What is between `{` and `}`; the name is that of the last member.
struct Members<'r, 't> {
    reader: &'r mut Reader<'t>,
    name: Option<String>,
}

impl<'de> MapAccess<'de> for Members<'_, '_> {
    type Error = Error;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, Error> {
        if !self.reader.another('}', self.name.is_none())? {
            return Ok(None);
        }
        let name = self.reader.peek_name()?;
        let key = seed.deserialize(&mut *self.reader).map_err(|error| error.inside(&name))?;
        self.name = Some(name);
        Ok(Some(key))
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Error> {
        self.reader.expect(":")?;
        seed.deserialize(&mut *self.reader)
            .map_err(|error| error.inside(self.name.as_deref().unwrap_or_default()))
    }
}

/// An enum's variant with content: the one member of an object.
struct Variant<'r, 't> {
    reader: &'r mut Reader<'t>,
    name: String,
}

impl<'de> EnumAccess<'de> for Variant<'_, '_> {
    type Error = Error;
    type Variant = Self;

    fn variant_seed<V: DeserializeSeed<'de>>(self, seed: V) -> Result<(V::Value, Self), Error> {
        let variant = seed.deserialize(&mut *self.reader).map_err(|error| error.inside(&self.name))?;
        self.reader.expect(":")?;
        Ok((variant, self))
    }
}

impl<'de> VariantAccess<'de> for Variant<'_, '_> {
    type Error = Error;

    fn unit_variant(self) -> Result<(), Error> {
        <() as de::Deserialize>::deserialize(self.reader).map_err(|error| error.inside(&self.name))
    }

    fn newtype_variant_seed<T: DeserializeSeed<'de>>(self, seed: T) -> Result<T::Value, Error> {
        seed.deserialize(self.reader).map_err(|error| error.inside(&self.name))
    }

    fn tuple_variant<V: Visitor<'de>>(self, _: usize, visitor: V) -> Result<V::Value, Error> {
        self.reader.array(visitor).map_err(|error| error.inside(&self.name))
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        self.reader.object(visitor).map_err(|error| error.inside(&self.name))
    }
}
