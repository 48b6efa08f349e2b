package main

import (
	"context"
	"io"
	"os"
	"time"

	"github.com/treehouse-dns/treehouse/filter"
)

// localEvery is how often hosts and lease files are read again.
const localEvery = time.Minute

// keepLocalNames keeps the names of the house up to date.
func (d *daemon) keepLocalNames(ctx context.Context) error {
	if len(d.config.Local.Hosts)+len(d.config.Devices.Leases) == 0 {
		return nil
	}
	ticker := time.NewTicker(localEvery)
	defer ticker.Stop()
	for {
		if err := d.readLocalNames(); err != nil {
			d.log.Warn("the names of the house could not be read; the last ones stay", "err", err)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-ticker.C:
		}
	}
}

func (d *daemon) readLocalNames() error {
	var files []*os.File
	defer func() {
		for _, f := range files {
			f.Close()
		}
	}()
	open := func(paths []string) (readers []io.Reader) {
		for _, path := range paths {
			if f, err := os.Open(path); err == nil { // a file that is not there has no names
				files, readers = append(files, f), append(readers, f)
			}
		}
		return readers
	}
	hosts, leases := open(d.config.Local.Hosts), open(d.config.Devices.Leases)
	var domain filter.Name
	if len(d.config.Local.Domains) > 0 {
		domain = d.config.Local.Domains[0]
	}
	_, _, err := d.local.Replace(domain, hosts, leases)
	return err
}
