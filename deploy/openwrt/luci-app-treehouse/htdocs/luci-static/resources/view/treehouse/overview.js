'use strict';
'require view';
'require form';
'require rpc';
'require poll';

/*
 * One page: how Treehouse is, a way to its own pages, and how it works beside
 * dnsmasq. People, devices and rules are not here but on its own pages, which
 * the whole family can use without the router's password.
 */

const callStatus = rpc.declare({
	object: 'luci.treehouse',
	method: 'status',
	expect: { '': {} }
});

/* What the state means, in one sentence, and what to do. */
function sentence(s) {
	if (!s.enabled)
		return _('Treehouse is switched off. Names resolve as if it were not there.');
	if (!s.running && s.when_down === 'open' && s.mode === 'behind')
		return _('Treehouse is not running. Names resolve unfiltered until it is; the system log says why.');
	if (!s.running)
		return _('Treehouse is not running, so no names resolve. The system log says why.');
	if (!s.filtering)
		return _('Treehouse is running, but dnsmasq does not ask it. Save and apply the settings below.');
	return _('Treehouse is running and answers the home.');
}

function renderStatus(s) {
	return [
		E('p', { 'role': 'status' }, [ sentence(s) ]),
		E('p', {}, [
			s.firewall ? _('Devices that ask elsewhere are led back here.')
				: _('Devices with a resolver of their own are not led back here.')
		]),
		E('p', {}, [ _('Version: %s').format(s.version || '?') ]),
		E('p', {}, s.pages ? [
			E('a', { 'class': 'btn cbi-button cbi-button-action', 'href': 'http://treehouse.home.arpa:%d/'.format(s.pages), 'target': '_blank', 'rel': 'noreferrer' },
				[ _('Open the family page') ])
		] : [ _('The family pages are switched off.') ])
	];
}

return view.extend({
	load: function() {
		return callStatus();
	},

	render: function(status) {
		let s, o;
		const m = new form.Map('treehouse', _('Treehouse'),
			_('The DNS resolver of a home that knows who is asking.'));

		s = m.section(form.NamedSection, 'main', 'treehouse', _('State'));
		s.render = function() {
			const node = E('div', { 'class': 'cbi-section' }, renderStatus(status));
			poll.add(function() {
				return callStatus().then(function(now) {
					node.replaceChildren(...renderStatus(now));
				});
			}, 5);
			return node;
		};

		s = m.section(form.NamedSection, 'main', 'treehouse', _('Settings'));
		s.addremove = false;

		o = s.option(form.Flag, 'enabled', _('Filter the home'));
		o.default = o.enabled;
		o.rmempty = false;

		o = s.option(form.ListValue, 'mode', _('Beside dnsmasq'));
		o.value('behind', _('Behind it: dnsmasq keeps port 53 and asks Treehouse'));
		o.value('front', _('In front of it: Treehouse takes port 53'));
		o.default = 'behind';

		o = s.option(form.ListValue, 'when_down', _('While Treehouse is down'),
			_('Closed is safer for children; open keeps the internet working for everyone, unfiltered.'));
		o.value('closed', _('Closed: no names resolve'));
		o.value('open', _('Open: the provider answers'));
		o.default = 'closed';
		o.depends('mode', 'behind');

		o = s.option(form.Flag, 'firewall', _('Lead devices back here'),
			_('Redirects port 53 of the home to this router, refuses the ways around it, and ends what runs when somebody is paused.'));
		o.default = o.enabled;
		o.rmempty = false;

		o = s.option(form.Value, 'pages', _('Port of the family pages'),
			_('0 switches them off.'));
		o.datatype = 'range(0, 65535)';
		o.default = '8080';

		o = s.option(form.DynamicList, 'upstream', _('Resolvers to ask'),
			_('Addresses, or auto for those of the provider.'));
		o.datatype = 'or("auto", ipaddr, ipaddrport)';
		o.default = 'auto';
		o.rmempty = false;

		o = s.option(form.ListValue, 'log_level', _('Log'));
		o.value('error', _('Errors'));
		o.value('warn', _('Warnings'));
		o.value('info', _('Normal'));
		o.value('debug', _('Everything'));
		o.default = 'info';

		return m.render();
	}
});
