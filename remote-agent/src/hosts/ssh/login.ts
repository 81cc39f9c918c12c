import ssh2, { type AnyAuthMethod, type ParsedKey, type SignCallback } from 'ssh2';
import { ParaError } from '../../common/errors.ts';
import { printable } from '../../protocol/printable.ts';
import { forgetSecret, isLasting, keepSecret, keptSecret } from '../kept-secrets.ts';
import type { Prompter } from '../prompter.ts';
import { foreignAgentKeys } from './agent.ts';
import { type Candidate, candidates } from './identities.ts';
import type { Identity, Unusable } from './keys.ts';
import type { HostSettings } from './settings.ts';

/** sshd's own limit is 6 failures a connection; the last is kept for an answer somebody types. */
const mostKeys = 5;
/** Wrong answers before it is given up: servers lock an account out after three and more. */
const mostAnswers = 2;

/** Decides what is tried next in a login, in OpenSSH's order: keys, keyboard-interactive, password. */
export class Login {
  readonly #settings: HostSettings;
  readonly #prompter: Prompter;
  /** A signature may wait for a person as well: an agent that asks, a key to be touched. */
  readonly #waiting: <T>(work: Promise<T>) => Promise<T>;
  #keys: Candidate[] | undefined;
  #unusable: Unusable[] = [];
  #offered = 0;
  #answered = 0;
  #dialogues = 0;
  #gaveUp = false;
  /** Whether somebody was asked in this attempt, and whether what was said in the one before was wrong. */
  #asked = false;
  #wrong = false;
  #last: Offer | undefined;
  #ways: readonly string[] = [];
  /** Key that the host has proved to hold; what was kept goes to that host alone. */
  readonly #hostKey: () => Buffer | undefined;
  /** Lasting secrets that were given, by whom and what they are for. */
  readonly #given = new Map<string, string>();

  constructor(
    settings: HostSettings,
    prompter: Prompter,
    waiting: <T>(work: Promise<T>) => Promise<T>,
    hostKey: () => Buffer | undefined,
  ) {
    this.#settings = settings;
    this.#prompter = prompter;
    this.#waiting = waiting;
    this.#hostKey = hostKey;
  }

  /**
   * The next attempt, or `false` when there is none left.
   * @param left the ways the host still takes; `null` before the first attempt
   * @param accepted whether the host took the last attempt and wants a further one
   */
  async next(left: readonly string[] | null, accepted = false): Promise<AnyAuthMethod | false> {
    const { user: username } = this.#settings;
    if (accepted) this.keepSecrets();
    else this.#forgetSecrets();
    this.#wrong = this.#asked && !accepted;
    this.#asked = false;
    // ssh2 does not hand on what the host answered to a signature: ask for the ways that are left.
    const mustAsk = left === null || this.#last?.signed;
    this.#last = undefined;
    if (mustAsk) return { type: 'none', username };
    this.#ways = left;
    if (left.includes('publickey') && this.#settings.publicKeys) {
      const identity = await this.#nextKey();
      if (identity) {
        this.#offered++;
        this.#last = new Offer({
          ...identity,
          sign: (data, hash) => this.#waiting(identity.sign(data, hash)),
        });
        return { type: 'agent', username, agent: this.#last };
      }
    }
    if (this.#gaveUp || this.#answered >= mostAnswers) return false;
    // Where the host asked nothing, asking again brings nothing.
    if (
      left.includes('keyboard-interactive') &&
      this.#settings.keyboard &&
      this.#dialogues <= this.#answered
    ) {
      this.#dialogues++;
      return { type: 'keyboard-interactive', username, prompt: this.#dialogue };
    }
    if (left.includes('password') && this.#settings.passwords) {
      const [password] = await this.#ask('', [{ prompt: 'Password', echo: false }]);
      if (password === undefined) return false;
      this.#answered++;
      return { type: 'password', username, password };
    }
    return false;
  }

  /** The host took what it was told last: the same will do when the link is made anew. */
  keepSecrets(): void {
    for (const [of, secret] of this.#given) keepSecret(of, secret);
    this.#given.clear();
  }

  /** The host refused: what was kept is not tried again, lest an account is locked; who comes next is asked. */
  #forgetSecrets(): void {
    for (const of of this.#given.keys()) forgetSecret(of);
    this.#given.clear();
  }

  async #nextKey(): Promise<Identity | undefined> {
    if (!this.#keys) {
      const found = await candidates(this.#settings, this.#prompter);
      this.#keys = found.keys;
      this.#unusable = found.unusable;
    }
    while (this.#offered < mostKeys && this.#keys.length > 0) {
      const identity = await this.#keys.shift()!();
      if (identity) return identity;
    }
    return undefined;
  }

  readonly #dialogue = (
    name: string,
    instructions: string,
    _language: string,
    prompts: readonly { prompt: string; echo?: boolean }[],
    finish: (answers: string[]) => void,
  ): void => {
    const counted = this.#dialogues > this.#answered;
    this.#ask([name, instructions].filter(Boolean).join(': '), prompts).then((answers) => {
      if (answers.length > 0 && counted) this.#answered++;
      finish([...answers]);
    });
  };

  /** @returns no answers when nobody gives them */
  async #ask(
    said: string,
    prompts: readonly { prompt: string; echo?: boolean }[],
  ): Promise<readonly string[]> {
    const { user, hostName, knownName } = this.#settings;
    const line = (text: string) => printable(text).replace(/\s+/g, ' ').trim();
    const key = this.#hostKey()?.toString('base64');
    const fields = prompts.map(({ prompt, echo = false }) => {
      const label = line(prompt).replace(/:$/, '');
      const lasting = key !== undefined && isLasting(label, echo);
      return { label, echo, of: lasting ? `${user}@${knownName} ${key} ${label}` : undefined };
    });
    // Asked for the same twice in one dialogue: what was kept is not what is wanted.
    const known = fields.map(({ of }) =>
      of === undefined || this.#given.has(of) ? undefined : keptSecret(of),
    );
    const unknown = fields.filter((_, i) => known[i] === undefined);
    const answers =
      unknown.length === 0 && fields.length > 0
        ? []
        : await this.#prompter.ask({
            title: [`${user}@${hostName}`, line(said)].filter(Boolean).join(': '),
            ...(this.#wrong ? { again: true } : {}),
            fields: unknown.map(({ label, echo }) => ({ label, echo })),
          });
    this.#asked ||= unknown.length > 0;
    this.#gaveUp ||= answers === undefined;
    if (!answers) return [];
    const told = [...answers];
    return fields.map(({ of }, i) => {
      const answer = known[i] ?? told.shift()!;
      if (of !== undefined) this.#given.set(of, answer);
      return answer;
    });
  }

  /** Why nothing was left to try, in words that say what to do. */
  async refusal(): Promise<ParaError> {
    const { user, hostName, agent } = this.#settings;
    const ways = this.#ways.join(', ') || 'none';
    const where = `${user}@${hostName}: it takes ${printable(ways)}; ${this.#offered} of our keys were refused`;
    const foreign = [
      ...this.#unusable.filter((key) => key.elsewhere).map((key) => `${key.name}: ${key.why}`),
      ...(await foreignAgentKeys(agent)).map((type) => `agent: ${type}`),
    ];
    if (foreign.length > 0)
      return new ParaError(
        'login',
        'The host refused the login; some of your keys cannot be used by this transport',
        {
          where: `${where} (${foreign.join('; ')})`,
          hint: 'choose the transport "openssh" for this host',
        },
      );
    const bad = this.#unusable.map((key) => `${key.name}: ${key.why}`);
    if (bad.length > 0)
      return new ParaError('login', 'The host refused the login; some of your keys cannot be read', {
        where: `${where} (${bad.join('; ')})`,
        hint: 'mend them, or name another key with -i',
      });
    if (this.#keys && this.#keys.length > 0)
      return new ParaError('login', 'There are too many keys to try them all on this host', {
        where,
        hint: 'name the right one with -i, and set IdentitiesOnly yes for this host',
      });
    if (this.#ways.every((way) => /^(gssapi|hostbased)/.test(way)) && this.#ways.length > 0)
      return new ParaError('login', 'The host takes only logins that this transport does not know', {
        where,
        hint: 'choose the transport "openssh" for this host',
      });
    if (this.#gaveUp)
      return new ParaError('login', 'The login needs an answer that was not given', {
        where,
        hint: 'connect once in a terminal, or set up a key: ssh-copy-id',
      });
    return new ParaError('login', 'The host refused the login', {
      where,
      hint: 'name the key with -i, and see that its public half is in authorized_keys there',
    });
  }
}

/** One key in the clothes of an agent, so that its signature may take its time. */
class Offer extends ssh2.BaseAgent<ParsedKey> {
  readonly #identity: Identity;
  signed = false;

  constructor(identity: Identity) {
    super();
    this.#identity = identity;
  }

  getIdentities(done: (error: Error | undefined | null, keys?: ParsedKey[]) => void): void {
    done(null, [this.#identity.key]);
  }

  sign(_key: ParsedKey, data: Buffer, options: { hash?: string } | SignCallback, done?: SignCallback): void {
    const hash = typeof options === 'object' ? options.hash : undefined;
    const answer = (typeof options === 'function' ? options : done)!;
    this.#identity.sign(data, hash).then(
      (signature) => {
        this.signed = true;
        answer(null, signature);
      },
      (error: Error) => answer(error),
    );
  }
}
