// Numbers as the reference reads and prints them: integers of 64 bits exactly, everything else as a double, computed and printed the way serde_json does.

export class JsonNumber {
  readonly value: number;
  /** As compact JSON. */
  readonly text: string;
  readonly isInteger: boolean;

  private constructor(value: number, text: string, isInteger: boolean) {
    this.value = value;
    this.text = text;
    this.isInteger = isInteger;
  }

  static of(integer: number): JsonNumber {
    return new JsonNumber(integer, String(integer), true);
  }

  /** `text` is a number in JSON's syntax. Null when it is too large for a double. */
  static parse(text: string): JsonNumber | null {
    if (INTEGER.test(text) && isSmall(text)) return new JsonNumber(Number(text), text, true);
    const value = parseDouble(text);
    return value === null ? null : new JsonNumber(value, printDouble(value), false);
  }
}

const INTEGER = /^(?:0|-?[1-9]\d*)$/;
const MAX_UNSIGNED = 2n ** 64n - 1n;
const MIN_SIGNED = -(2n ** 63n);

/** Whether an integer is one of 64 bits: unsigned, or signed when it is negative. */
function isSmall(text: string): boolean {
  if (text.length <= 18) return true;
  if (text.length > 20) return false;
  const value = BigInt(text);
  return value >= MIN_SIGNED && value <= MAX_UNSIGNED;
}

const PARTS = /^(-?)(\d+)(?:\.(\d+))?(?:[eE]([+-]?\d+))?$/;
/** Largest power of ten that is a double. */
const MAX_POWER = 308;
const MAX_EXPONENT = 2 ** 31 - 1;

/**
 * Digits are taken while they fit 64 bits, and scaled by one power of ten. That may differ from the nearest double in the last place; the
 * reference differs alike.
 */
function parseDouble(text: string): number | null {
  const parts = PARTS.exec(text);
  if (parts === null) return null;
  const [, sign = "", whole = "", fraction = "", exponentText = "0"] = parts;
  let exponent = Number(exponentText);
  const wholeDigits = fittingDigits(whole);
  let digits = wholeDigits;
  exponent += whole.length - wholeDigits.length;
  if (wholeDigits.length === whole.length || fraction !== "") {
    digits = fittingDigits(wholeDigits + fraction);
    exponent -= digits.length - wholeDigits.length;
  }
  const significand = Number(digits);
  const size = significand === 0 ? 0 : scaled(significand, Math.max(-MAX_EXPONENT, Math.min(MAX_EXPONENT, exponent)));
  if (size === null) return null;
  return sign === "" ? size : -size;
}

/** The digits from the start that make an unsigned integer of 64 bits. */
function fittingDigits(digits: string): string {
  const leading = /^0*/.exec(digits)![0].length;
  if (digits.length - leading <= 19) return digits;
  const twenty = digits.slice(0, leading + 20);
  return BigInt(twenty) <= MAX_UNSIGNED ? twenty : digits.slice(0, leading + 19);
}

function scaled(significand: number, exponent: number): number | null {
  if (exponent > MAX_POWER) return null;
  if (exponent >= 0) {
    const value = significand * Number(`1e${exponent}`);
    return Number.isFinite(value) ? value : null;
  }
  let value = significand;
  let rest = exponent;
  for (; rest < -MAX_POWER && value !== 0; rest += MAX_POWER) value /= 1e308;
  return value === 0 ? 0 : value / Number(`1e${-rest}`);
}

/** The shortest digits that give the double, with a point unless there is an exponent. */
function printDouble(value: number): string {
  if (value === 0) return Object.is(value, -0) ? "-0.0" : "0.0";
  const [mantissa = "", exponentText = ""] = Math.abs(value).toExponential().split("e");
  const digits = mantissa.replace(".", "");
  const sign = value < 0 ? "-" : "";
  /** How many digits are before the point. */
  const point = Number(exponentText) + 1;
  if (point > 16 || point <= -5) {
    const fraction = digits.length > 1 ? `.${digits.slice(1)}` : "";
    return `${sign}${digits[0]}${fraction}e${point > 0 ? "+" : ""}${point - 1}`;
  }
  if (point <= 0) return `${sign}0.${"0".repeat(-point)}${digits}`;
  if (digits.length <= point) return `${sign}${digits.padEnd(point, "0")}.0`;
  return `${sign}${digits.slice(0, point)}.${digits.slice(point)}`;
}
