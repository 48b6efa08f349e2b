package main

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
)

// cacheFile is where the cache outlives a restart, if the family has chosen so.
const cacheFile = "cache"

// loadCache takes in what the last process saved. A file that cannot be used
// costs nothing but the first answers.
func (d *daemon) loadCache() {
	if !d.config.Cache.Persist {
		return
	}
	f, err := os.Open(filepath.Join(d.config.Storage.Dir, cacheFile))
	if errors.Is(err, fs.ErrNotExist) {
		return
	}
	if err == nil {
		defer f.Close()
		_, err = d.server.LoadCache(f)
	}
	if err != nil {
		d.log.Warn("the saved cache is not used", "err", err)
	}
}

// saveCache writes the cache down, whole or not at all.
func (d *daemon) saveCache() {
	if !d.config.Cache.Persist {
		return
	}
	f, err := os.CreateTemp(d.config.Storage.Dir, cacheFile+"-*")
	if err == nil {
		err = errors.Join(d.server.SaveCache(f), f.Close())
		if err == nil {
			err = os.Rename(f.Name(), filepath.Join(d.config.Storage.Dir, cacheFile))
		}
		if err != nil {
			os.Remove(f.Name())
		}
	}
	if err != nil {
		d.log.Warn("the cache is not saved", "err", err)
	}
}
