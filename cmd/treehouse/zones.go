package main

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	_ "embed"
	"fmt"
	"io"
	"time"
)

// zones are the time zones as Go ships them, for routers that have none: a
// seventh of what importing time/tzdata takes. .ci/zones makes the file.
//
//go:embed zones.tar.gz
var zones []byte

// loadZone finds a time zone by its name, such as Europe/Madrid: in the machine's
// own files, which may be newer, or else in ours.
func loadZone(name string) (*time.Location, error) {
	if zone, err := time.LoadLocation(name); err == nil {
		return zone, nil
	}
	text, err := ownZone(name)
	if err != nil {
		return nil, fmt.Errorf("%q is not a time zone; use a name such as Europe/Madrid, or local", name)
	}
	return time.LoadLocationFromTZData(name, text)
}

// ownZone reads a zone of the archive, where several names may share a file.
func ownZone(name string) ([]byte, error) {
	unpacked, err := gzip.NewReader(bytes.NewReader(zones))
	if err != nil {
		return nil, err
	}
	for archive := tar.NewReader(unpacked); ; {
		head, err := archive.Next()
		switch {
		case err != nil:
			return nil, err
		case head.Name != name:
		case head.Typeflag == tar.TypeLink: // to a file before it
			return ownZone(head.Linkname)
		default:
			return io.ReadAll(archive)
		}
	}
}
