package blocklists

import (
	"archive/tar"
	"bufio"
	"bytes"
	"compress/flate"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
)

// Limits of one file.
const (
	// maxListBytes unpacked: 4.4 million names are 95 MB as text.
	maxListBytes = 256 << 20
	// maxRatio of unpacked to packed bytes, once ratioFrom bytes are unpacked.
	// Lists of names reach 10, hosts files 15; a gzip bomb has up to 1,032.
	maxRatio  = 100
	ratioFrom = 1 << 20
	// maxLayers of gzip: a packed file that its server packs once more to send it.
	maxLayers = 2
	// maxMembers of one archive. UT1 has 200, v2fly 1,600.
	maxMembers = 32 << 10
	// sampleBytes from a file's start tell its format. A tar's first header fits.
	sampleBytes = 32 << 10
)

// Errors that refuse a file whole. The caller puts the file's name before them.
var (
	errHTML      = errors.New("it is a web page, not a list; the address may have moved or ask for a login")
	errBinary    = errors.New("it is binary, not a list of names")
	errTruncated = errors.New("it is cut short; fetch it again")
	errBomb      = fmt.Errorf("it unpacks to more than %d times its size, as no list does", maxRatio)
	errHuge      = fmt.Errorf("it is larger than %d MiB unpacked", maxListBytes>>20)
	errEmpty     = errors.New("it is empty")
)

// unpacked is a list's content, gunzipped if it was packed.
type unpacked struct {
	*bufio.Reader
	sample []byte // its first bytes, borrowed until the first Read
	isTar  bool
}

// unpack looks at the first bytes of r and undoes gzip, within the limits.
func unpack(ctx context.Context, r io.Reader) (unpacked, error) {
	counted := &countingReader{ctx: ctx, r: r}
	content := bufio.NewReaderSize(counted, 4<<10)
	head, _ := content.Peek(6)
	for range maxLayers {
		if !bytes.HasPrefix(head, []byte{0x1f, 0x8b}) {
			break
		}
		unzip, err := gzip.NewReader(content)
		if err != nil {
			return unpacked{}, plainError(err)
		}
		content = bufio.NewReaderSize(&limitReader{r: unzip, packed: counted}, 4<<10)
		head, _ = content.Peek(6)
	}
	switch {
	case bytes.HasPrefix(head, []byte("PK\x03\x04")), bytes.HasPrefix(head, []byte("BZh")),
		bytes.HasPrefix(head, []byte("\xfd7zXZ")), bytes.HasPrefix(head, []byte("\x28\xb5\x2f\xfd")):
		return unpacked{}, errors.New("it is packed in a way other than gzip; unpack it first")
	}
	u := unpacked{Reader: bufio.NewReaderSize(&limitReader{r: content, packed: counted}, sampleBytes)}
	sample, err := u.Peek(sampleBytes)
	if err != nil && err != io.EOF {
		return unpacked{}, plainError(err)
	}
	u.sample = sample
	u.isTar = len(sample) > 262 && string(sample[257:262]) == "ustar"
	switch {
	case len(bytes.TrimSpace(sample)) == 0 && err == io.EOF:
		return unpacked{}, errEmpty
	case !u.isTar && isHTML(sample):
		return unpacked{}, errHTML
	case !u.isTar && isBinary(sample):
		return unpacked{}, errBinary
	}
	return u, nil
}

// isHTML tells a web page, or XML, by its first byte that is no blank.
func isHTML(sample []byte) bool {
	sample = bytes.TrimSpace(bytes.TrimPrefix(sample, []byte("\xef\xbb\xbf")))
	return len(sample) > 0 && sample[0] == '<'
}

func isBinary(sample []byte) bool {
	odd := 0
	for _, c := range sample {
		if c == 0 {
			return true
		}
		if c < ' ' && c != '\n' && c != '\r' && c != '\t' && c != '\f' {
			odd++
		}
	}
	return odd > len(sample)/50
}

// plainError says in plain words what a reader of packed content ran into.
func plainError(err error) error {
	var corrupt flate.CorruptInputError
	switch {
	case errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, io.EOF):
		return errTruncated
	case errors.Is(err, gzip.ErrChecksum), errors.Is(err, gzip.ErrHeader), errors.As(err, &corrupt), errors.Is(err, tar.ErrHeader):
		return fmt.Errorf("it is damaged (%w); fetch it again", err)
	}
	return err
}

// countingReader counts what is read and ends when ctx does.
type countingReader struct {
	ctx context.Context
	r   io.Reader
	n   int64
}

func (c *countingReader) Read(p []byte) (int, error) {
	if err := c.ctx.Err(); err != nil {
		return 0, err
	}
	n, err := c.r.Read(p)
	c.n += int64(n)
	return n, err
}

// limitReader stops a file that grows beyond what a list can be.
type limitReader struct {
	r      io.Reader
	packed *countingReader
	n      int64
}

func (l *limitReader) Read(p []byte) (int, error) {
	n, err := l.r.Read(p)
	l.n += int64(n)
	switch {
	case l.n > maxListBytes:
		return 0, errHuge
	case l.n > ratioFrom && l.n > maxRatio*l.packed.n:
		return 0, errBomb
	}
	return n, err
}

// eachMember calls fn for each member of an archive, with its content.
func eachMember(open func() (*tar.Reader, func(), error), fn func(*tar.Header, io.Reader) error) error {
	archive, done, err := open()
	if err != nil {
		return err
	}
	defer done()
	for n := 0; ; n++ {
		h, err := archive.Next()
		switch {
		case err == io.EOF:
			return nil
		case err != nil:
			return plainError(err)
		case n >= maxMembers:
			return fmt.Errorf("it holds more than %d files", maxMembers)
		}
		if err := fn(h, archive); err != nil {
			return plainError(err)
		}
	}
}
