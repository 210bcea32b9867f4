//! Compression of objects. The suffix of a name is the tag; a reader takes all of them.

use std::io::BufReader;
use std::io::Read;
use std::io::Result as IoResult;
use std::io::Write;

use flate2::read::MultiGzDecoder;
use flate2::write::GzEncoder;
use zstd::stream::read::Decoder as ZstdDecoder;
use zstd::stream::write::Encoder as ZstdEncoder;

use crate::error::Error;
use crate::error::Result;
use crate::model::backup::Compression;

/// The window at the lowest level, as a power of two: as large as most chunks, so that it needn't
/// be wrapped around, after which matching would go a way that is a tenth slower.
const WINDOW_AT_LEVEL_1: u32 = 23;

/// A method of compression, without its level.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Codec {
    /// One zstd frame.
    Zstd,
    /// One gzip member.
    Gzip,
    /// Nothing.
    None,
}

impl Codec {
    /// What names of objects compressed this way end with, before `.age`.
    pub const fn suffix(self) -> &'static str {
        match self {
            Self::Zstd => ".zst",
            Self::Gzip => ".gz",
            Self::None => "",
        }
    }

    /// The method in manifests.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Zstd => "zstd",
            Self::Gzip => "gzip",
            Self::None => "none",
        }
    }

    /// Splits `name` into the part before the suffix and the method that the suffix stands for.
    pub fn split(name: &str) -> (&str, Self) {
        for codec in [Self::Zstd, Self::Gzip] {
            if let Some(stem) = name.strip_suffix(codec.suffix()) {
                return (stem, codec);
            }
        }
        (name, Self::None)
    }

    /// Reads what `input` holds, decompressed.
    pub fn decoder<'a>(self, input: impl Read + 'a) -> IoResult<Box<dyn Read + 'a>> {
        Ok(match self {
            Self::Zstd => Box::new(ZstdDecoder::new(input)?),
            Self::Gzip => Box::new(MultiGzDecoder::new(BufReader::new(input))),
            Self::None => Box::new(input),
        })
    }
}

/// The method of `compression`, and its level.
pub fn method(compression: Compression) -> Result<(Codec, i32)> {
    let (codec, level, range) = match compression {
        Compression::Zstd(level) => (Codec::Zstd, level, zstd::compression_level_range()),
        Compression::Gzip(level) => (Codec::Gzip, i32::try_from(level).unwrap_or(i32::MAX), 0..=9),
        Compression::None => return Ok((Codec::None, 0)),
    };
    if range.contains(&level) {
        Ok((codec, level))
    } else {
        let (low, high) = (range.start(), range.end());
        Err(Error::usage(format!(
            "{level} is no compression level of {}",
            codec.word()
        ))
        .hint(format!("levels go from {low} to {high}")))
    }
}

/// Compresses what is written to it into `W`.
pub enum Encoder<W: Write> {
    /// zstd.
    Zstd(ZstdEncoder<'static, W>),
    /// gzip.
    Gzip(GzEncoder<W>),
    /// As is.
    None(W),
}

impl<W: Write> Encoder<W> {
    /// Compresses into `output`; `level` must be one that [`method`] let pass.
    pub fn new(codec: Codec, level: i32, output: W) -> IoResult<Self> {
        Ok(match codec {
            Codec::Zstd => {
                let mut encoder = ZstdEncoder::new(output, level)?;
                if level == 1 {
                    encoder.window_log(WINDOW_AT_LEVEL_1)?;
                }
                Self::Zstd(encoder)
            }
            Codec::Gzip => {
                let level = flate2::Compression::new(u32::try_from(level).unwrap_or(2));
                Self::Gzip(GzEncoder::new(output, level))
            }
            Codec::None => Self::None(output),
        })
    }

    /// Ends the stream. Without this it is cut.
    pub fn finish(self) -> IoResult<W> {
        match self {
            Self::Zstd(encoder) => encoder.finish(),
            Self::Gzip(encoder) => encoder.finish(),
            Self::None(output) => Ok(output),
        }
    }
}

impl<W: Write> Write for Encoder<W> {
    fn write(&mut self, bytes: &[u8]) -> IoResult<usize> {
        match self {
            Self::Zstd(encoder) => encoder.write(bytes),
            Self::Gzip(encoder) => encoder.write(bytes),
            Self::None(output) => output.write(bytes),
        }
    }

    fn flush(&mut self) -> IoResult<()> {
        match self {
            Self::Zstd(encoder) => encoder.flush(),
            Self::Gzip(encoder) => encoder.flush(),
            Self::None(output) => output.flush(),
        }
    }
}
