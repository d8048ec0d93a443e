/** What happened in the sender's words, and what the people who run the sending server can mend. By the name that a reply tells. */
export interface Remedy {
  readonly happened: string;
  readonly mend: string;
}

const NOTHING = 'There is nothing that you have to mend. If this is a mistake, tell us below.';

/** Traps have none: they go by other names. */
export const REMEDIES: Readonly<Record<string, Remedy>> = {
  'client-list': {
    happened:
      'Mail from the server that sent your message is not taken here; its address is on our own list.',
    mend: NOTHING,
  },
  'client-name-list': {
    happened: 'Mail from hosts with the name of the one that sent your message is not taken here.',
    mend: 'Send through the mail server of your provider.',
  },
  'envelope-list': {
    happened:
      'Mail from this sender, or to this recipient, is not taken here; the address is on our own list.',
    mend: NOTHING,
  },
  relay: {
    happened: 'The recipient is not at home here, and we pass mail on only for people who have logged in.',
    mend: 'Send it to the server that the MX record of the recipient’s domain names. If you have an account here, let your mail program use STARTTLS and your password.',
  },
  'mx-order': {
    happened: 'The message went to a server that takes mail only while the others cannot.',
    mend: 'Try the mail exchangers of a domain in the order of their numbers, lowest first.',
  },
  'early-talker': {
    happened:
      'The server that sent your message spoke before it was its turn, as programs that send spam do.',
    mend: 'The program has to read the greeting (the line with 220) before it sends EHLO.',
  },
  pipelining: {
    happened: 'The server that sent your message sent commands before it was its turn.',
    mend: 'Send commands ahead only where the reply to EHLO says PIPELINING.',
  },
  helo: {
    happened:
      'The name by which the server that sent your message introduced itself is not a full host name of its own.',
    mend: 'Set the greeting name (HELO) of the mail server to its full host name: myhostname in Postfix, the FQDN of the send connector in Exchange.',
  },
  'helo-dns': {
    happened:
      'The name by which the server that sent your message introduced itself is not known in DNS, or belongs to another host.',
    mend: 'Give the greeting name (HELO) an A or AAAA record with the server’s address; best take the name that its PTR record says.',
  },
  'bounce-tag': {
    happened: 'This is a bounce of a message that did not come from here, or that is too old.',
    mend: 'Refuse mail that cannot be delivered in the SMTP dialogue, and do not send bounces to forged senders; send those for real mail within a week.',
  },
  'short-term-block': {
    happened:
      'Mail from the server that sent your message, or from its network, is not taken for a while; the text above says why.',
    mend: 'Find the program that did what the text says. The block ends by itself.',
  },
  'dictionary-attack': {
    happened: 'The server that sent your message asked for too many mailboxes that do not exist.',
    mend: 'Take dead addresses off the mailing list, and send to those only who asked for it.',
  },
  'recipient-list': {
    happened: 'There is no such mailbox here.',
    mend: 'Look whether the address is right.',
  },
  recipients: {
    happened: 'The mailbox does not exist here, or does not take this message.',
    mend: 'Look whether the address is right; the text above may say more.',
  },
  dnsbl: {
    happened:
      'The address of the server that sent your message is on a public block list that the text above names.',
    mend: 'Look the address up on the web page of that list, mend the cause, and ask the list to take it off.',
  },
  rhsbl: {
    happened:
      'A domain of the sender, or of the server that sent your message, is on a public block list that the text above names.',
    mend: 'Look the domain up on the web page of that list, mend the cause, and ask the list to take it off.',
  },
  fcrdns: {
    happened:
      'The name and the address of the server that sent your message do not lead to each other in DNS.',
    mend: 'Ask whoever gave the server its address for a PTR record that names the host, and give that name an A or AAAA record with the same address.',
  },
  'generic-rdns': {
    happened:
      'By its name the server that sent your message stands behind an access line, or in a pool of addresses.',
    mend: 'Ask whoever gave the server its address for a reverse name of its own, such as mail.example.net, and give that name the address; or send through the mail server of your provider.',
  },
  'sender-domain': {
    happened: 'The domain of the sender’s address does not exist, or takes no mail, so nobody could answer.',
    mend: 'Send from an address whose domain exists, give the domain an MX record, or take the null MX record away.',
  },
  'sender-mx': {
    happened: 'The mail servers that the domain of the sender’s address names cannot be real.',
    mend: 'Let the MX records of the domain name hosts that have public A or AAAA records, not aliases (CNAME).',
  },
  spf: {
    happened:
      'The domain of the sender’s address says in DNS (SPF) that the server that sent your message may not send for it.',
    mend: 'Send through the domain’s own servers, or put this server into the domain’s SPF record. Any SPF checker shows whether the record is in order.',
  },
  greylist: {
    happened: 'Messages that are new to us are asked to come a second time.',
    mend: 'Nothing: your server sends it again after some minutes by itself.',
  },
  'greylist-null': {
    happened: 'Bounces that are new to us are asked to come a second time.',
    mend: 'Nothing: your server sends it again after some minutes by itself.',
  },
  callout: {
    happened:
      'The mail server of the sender’s domain says that it takes no bounces for the sender’s address.',
    mend: 'Let the address in the envelope (MAIL FROM) be one that exists and takes mail from the null sender.',
  },
  dkim: {
    happened: 'The DKIM signature of your message does not hold.',
    mend: 'Look with any DKIM tester for the part that does not hold. Most often something changes the message after it was signed: a footer, a virus scanner, a server that rewrites long lines.',
  },
  arc: {
    happened: 'The chain of ARC seals on your message does not hold.',
    mend: 'Whoever forwards it has to leave a sealed message as it is, or seal it anew.',
  },
  dmarc: {
    happened:
      'The domain in From asks everybody (DMARC) to refuse messages that cannot be shown to come from it, and this one could not.',
    mend: 'Sign with DKIM in the name of the domain in From. Forwarders leave messages as they are; mailing lists that change them put their own address into From.',
  },
  'fake-bounce': {
    happened: 'This is a bounce of a message that did not come from here.',
    mend: 'Refuse mail that cannot be delivered in the SMTP dialogue; later bounces go to those whose addresses were forged.',
  },
  'header-form': {
    happened: 'The header of your message is not as mail programs write it.',
    mend: 'Send with a mail program, or with a library that writes headers, not with lines put together by hand.',
  },
  'named-recipient': {
    happened: 'The recipient stands neither in To nor in Cc.',
    mend: 'Name the recipient in To.',
  },
  attachments: {
    happened: 'A file in your message is of a kind that is not taken by mail here.',
    mend: 'Share programs by a link, and send archives without a password.',
  },
  classifier: {
    happened: 'By its words your message looks like spam.',
    mend: NOTHING,
  },
  clamav: {
    happened: 'A virus scanner found something in your message.',
    mend: 'Clean the machine that sent it. If the file is harmless, send it in another way and tell us below.',
  },
  spamassassin: {
    happened: 'A spam filter found too many signs of spam in your message.',
    mend: NOTHING,
  },
  rspamd: {
    happened: 'A spam filter found too many signs of spam in your message.',
    mend: NOTHING,
  },
};

/** Replies that no check gave, by their status (RFC 3463) without its class. */
export const OF_REPLIES: Readonly<Record<string, Remedy>> = {
  '.3.4': {
    happened: 'Your message is larger than what is taken here.',
    mend: 'Send it in parts, or share large files by a link.',
  },
  '.4.6': {
    happened: 'Your message went in circles between mail servers.',
    mend: 'Look for a forwarding that leads back to where it began.',
  },
  '.6.0': {
    happened: 'Your message has lines that are longer than mail may have.',
    mend: 'Send with a mail program that encodes long lines.',
  },
  '.6.7': {
    happened: 'The mailbox does not take addresses with letters beyond ASCII.',
    mend: 'Send from, and to, an address in ASCII.',
  },
  '.6.11': {
    happened: 'Your message has line ends that mail may not have.',
    mend: 'Let the program that sent it end every line with CR and LF.',
  },
};

export const OTHER: Remedy = {
  happened: 'The text above says why.',
  mend: 'If it does not tell you what to mend, tell us below.',
};

export const LATER: Remedy = {
  happened: 'Your message could not be taken at that moment; the text above says why.',
  mend: 'Nothing, if it gets through later. If it does not, the text above is what to look into.',
};
