package main

import (
	"errors"
	"io/fs"
	"net"
	"strings"
	"syscall"
)

// plainly is an error as it is shown: what the operating system said is put into
// words, or left out where whoever noticed it has said it better already.
func plainly(err error) string {
	text := err.Error()
	if in := (*fs.PathError)(nil); errors.As(err, &in) {
		before, after, found := strings.Cut(text, in.Error())
		if found && !strings.Contains(before, in.Path) {
			before += in.Path + ": "
		}
		if found {
			text = before + cause(in) + after
		}
	}
	if in := (*net.OpError)(nil); errors.As(err, &in) {
		text = strings.Replace(text, ": "+in.Error(), "", 1)
	}
	return text
}

// cause is the last, plain part of an error, in words that say what to do where
// it comes from the operating system.
func cause(err error) string {
	for _, known := range []struct {
		err   error
		words string
	}{
		{fs.ErrNotExist, "there is no such file or folder; look for a mistake in the path"},
		{fs.ErrExist, "there is something of that name already; choose another"},
		{fs.ErrPermission, "the user who runs this may not; run it as the owner or as root"},
		{syscall.EISDIR, "it is a folder; name a file"},
		{syscall.ENOTDIR, "a part of the path is a file; name a folder there"},
		{syscall.EROFS, "nothing can be written there; choose another place"},
		{syscall.ENOSPC, "the disk is full; free some space"},
		{syscall.EADDRINUSE, "another program uses it; end that"},
		{syscall.EADDRNOTAVAIL, "this machine has no such address; take one it has"},
	} {
		if errors.Is(err, known.err) {
			return known.words
		}
	}
	for {
		inner := errors.Unwrap(err)
		if inner == nil {
			return err.Error()
		}
		err = inner
	}
}
